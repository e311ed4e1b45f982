//go:build race

package sfbackuptest_test

const raceEnabled = true
