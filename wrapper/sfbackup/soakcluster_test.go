package sfbackup_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// The cluster of TestSoak runs in its own process, so that its memory does not count as the client's. The process
// is another run of the test binary, with the seed in its environment. It ends at the end of its input.
const soakEnvironment = "SFBACKUP_SOAK_SEED"

// startSoakCluster starts the process. It returns a function that requests a report: "now", or "ended" for one when
// all backups have ended.
func startSoakCluster(t *testing.T, seed uint64) func(when string) *soakReport {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), program, "-test.run=^TestSoak$", "-test.timeout=0")
	// By default the race detector sleeps for a second before the process exits.
	cmd.Env = append(os.Environ(), fmt.Sprint(soakEnvironment, "=", seed), "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		closeQuietly(in) // ends the process
		_, _ = io.Copy(io.Discard, out)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the cluster: %v", err)
		}
	})
	reports := bufio.NewReader(out)
	return func(when string) *soakReport {
		t.Helper()
		report := &soakReport{}
		_, err := io.WriteString(in, when+"\n")
		if err == nil {
			var line []byte
			if line, err = reports.ReadBytes('\n'); err == nil {
				err = json.Unmarshal(line, report)
			}
		}
		if err != nil {
			t.Fatalf("the cluster: %v", err)
		}
		return report
	}
}

// A soakReport is the state of the cluster of TestSoak.
type soakReport struct {
	URL        string
	Services   []sfbackup.ServiceName
	Partitions []uuid.UUID
	Backups    [][]uuid.UUID  // of each partition
	Faults     map[string]int // since the last report
}

// soakFails reports whether the backups of the partition with an index fail.
func soakFails(partition int) bool { return partition%30 == 7 }

// serveSoakCluster writes a report for each line that it reads.
func serveSoakCluster(seed uint64, in io.Reader, out io.Writer) {
	var report soakReport
	services := make([]sfbackuptest.Service, soakServices)
	for i := range services {
		s := &services[i]
		s.Name = fmt.Sprintf("fabric:/Soak/Service%d", i)
		s.Policy = &sfbackuptest.Policy{Retention: soakRetention}
		for range soakPartitions {
			s.Partitions = append(s.Partitions, sfbackuptest.Partition{
				Backups: sfbackuptest.Chain(time.Now().Add(-soakRetention), time.Second, 6, 10),
			})
		}
		report.Services = append(report.Services, sfbackup.ServiceName(s.Name))
	}
	cluster := sfbackuptest.NewCluster(sfbackuptest.WithServices(services...))
	report.Partitions = cluster.Partitions()
	for i, id := range report.Partitions {
		outcome := sfbackuptest.Outcome{Accepted: soakBackup / 4, Running: soakBackup * 3 / 4}
		if soakFails(i) {
			outcome.Code = "FABRIC_E_BACKUPCOPIER_ACCESS_DENIED"
		}
		cluster.SetOutcome(id, outcome)
	}
	cluster.Schedule(seed, 0.05, soakFaults()...)
	server, err := sfbackuptest.NewServer(cluster)
	if err != nil {
		panic(err)
	}
	defer server.Close()
	report.URL = server.URL

	var counted time.Time
	for lines := bufio.NewScanner(in); lines.Scan(); {
		if lines.Text() != "now" {
			<-time.After(soakBackup) // all backups have ended by then, because no request is in flight
		}
		report.Backups, report.Faults = nil, map[string]int{}
		for _, id := range report.Partitions {
			ids := []uuid.UUID{}
			for _, b := range cluster.Backups(id) {
				ids = append(ids, b.ID)
			}
			report.Backups = append(report.Backups, ids)
		}
		for _, r := range cluster.Requests() {
			if r.Fault != "" && r.Time.After(counted) {
				report.Faults[r.Fault]++
			}
		}
		counted = time.Now()
		if err := json.NewEncoder(out).Encode(report); err != nil {
			return
		}
	}
}

// soakFaults returns transient faults, and some that are not.
func soakFaults() []sfbackuptest.Fault {
	var faults []sfbackuptest.Fault
	for _, f := range []sfbackuptest.Fault{
		sfbackuptest.Answer(503, ""), sfbackuptest.Answer(504, ""), sfbackuptest.Answer(500, ""), sfbackuptest.HTMLError(502),
		sfbackuptest.HangUp(), sfbackuptest.Reset(),
	} {
		faults = append(faults, f, f.AfterEffect())
	}
	return append(faults,
		sfbackuptest.Answer(429, "").Header("Retry-After", "0"), sfbackuptest.DenyAccess(), sfbackuptest.RefuseCredentials(),
		sfbackuptest.Stall(20*time.Millisecond), sfbackuptest.Gzip(), sfbackuptest.SlowBody(10_000, time.Millisecond),
		sfbackuptest.DuplicatePage(), sfbackuptest.RepeatToken(),
		sfbackuptest.CutBody(0), sfbackuptest.CutBody(100), sfbackuptest.CutBody(10_000), sfbackuptest.TruncateBody(10_000))
}
