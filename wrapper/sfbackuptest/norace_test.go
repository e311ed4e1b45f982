//go:build !race

package sfbackuptest_test

const raceEnabled = false
