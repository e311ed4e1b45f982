package durable_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"go.temporal.io/server/temporaltest"

	"github.com/servicefabric-go/backup/examples/durable"
)

var (
	crashPartitions = flag.Int("durable.partitions", 200, "how many partitions the crash test backs up")
	crashSeed       = flag.Uint64("durable.seed", 1, "the seed of what is killed when")
)

const (
	clusterName = "crash"
	workers     = 4
	// hold is how long the cluster of these tests holds a request at most.
	hold = 4 * time.Second
)

// pace is that of the tests: their backups are short, and lost workers are soon noticed.
var pace = durable.Pace{Heartbeat: 3 * time.Second, MinPoll: 300 * time.Millisecond, MaxPoll: 2 * time.Second, Observe: 10 * time.Second}

// The test binary is also the worker that is killed. Workers and engine are processes of their own, so the time of
// these tests is real: no bubble of testing/synctest can hold them.
func TestMain(m *testing.M) {
	if engine := os.Getenv("DURABLE_TEMPORAL"); engine != "" {
		if err := runWorker(engine, os.Getenv("DURABLE_NAMESPACE"), os.Getenv("DURABLE_ENDPOINT")); err != nil {
			log.Fatal(err)
		}
		return
	}
	os.Exit(m.Run())
}

// The headers in which a worker of the tests says what it does.
const (
	stepHeader   = "X-Step"
	workerHeader = "X-Worker"
)

// labelled tells the cluster which activity of which process sends a request.
type labelled struct{ next http.RoundTripper }

func (l labelled) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set(stepHeader, activity.GetInfo(req.Context()).ActivityType.Name)
	req.Header.Set(workerHeader, strconv.Itoa(os.Getpid()))
	return l.next.RoundTrip(req)
}

func runWorker(address, namespace, endpoint string) error {
	gateway, err := sfbackup.NewClient(endpoint, sfbackup.WithGatewayHold(hold), sfbackup.WithHTTPClient(&http.Client{Transport: labelled{http.DefaultTransport}}))
	if err != nil {
		return err
	}
	engine, err := client.Dial(client.Options{HostPort: address, Namespace: namespace})
	if err != nil {
		return err
	}
	defer engine.Close()
	w := worker.New(engine, durable.TaskQueue(clusterName), worker.Options{StickyScheduleToStartTimeout: time.Second, MaxConcurrentActivityExecutionSize: 8})
	durable.Register(w, &durable.Activities{Client: gateway})
	w.RegisterWorkflow(naive)
	w.RegisterActivityWithOptions(func(ctx context.Context, partition uuid.UUID) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		go func() {
			for ctx.Err() == nil {
				activity.RecordHeartbeat(ctx)
				time.Sleep(time.Second)
			}
		}()
		_, err := gateway.BackupAndWait(ctx, partition, nil, &sfbackup.WaitOptions{MinDelay: pace.MinPoll, MaxDelay: pace.MaxPoll})
		return err
	}, activity.RegisterOptions{Name: naiveActivity})
	// With its parent gone there is nobody to end it.
	gone := make(chan any, 1)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(gone)
	}()
	return w.Run(gone)
}

const naiveActivity = "BackupAndWait"

// naive is what one would write first: an activity that starts and waits, and that the engine repeats.
func naive(ctx workflow.Context, partition uuid.UUID) error {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: 5 * time.Minute, HeartbeatTimeout: pace.Heartbeat, RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 20},
	})
	return workflow.ExecuteActivity(ctx, naiveActivity, partition).Get(ctx, nil)
}

// What happens to the start of a partition, once.
const (
	killObserve  = "killed before the observation"
	killRecord   = "killed after the record"
	killSent     = "killed, sent and not accepted"
	killHeld     = "killed, and accepted later"
	killAccepted = "killed, accepted and not answered"
	killWait     = "killed during the wait"
	lost         = "answer lost"
	dropped      = "request lost"
	held         = "answer lost, accepted later"
)

var crashes = []string{
	killObserve, killRecord, killSent, killHeld, killAccepted, killAccepted, killWait, lost, lost, held, dropped,
}

// chaos is a cluster at which requests and workers are lost.
type chaos struct {
	cluster http.Handler

	mu       sync.Mutex
	running  map[int]*os.Process // the workers
	plan     map[uuid.UUID]string
	accepted map[uuid.UUID]int
	happened map[string]int
	kills    int
	late     sync.WaitGroup // requests that take effect after their client has gone
}

func (c *chaos) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r = r.Clone(context.WithoutCancel(r.Context()))
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	partition, err := uuid.Parse(strings.Split(r.URL.Path, "/")[2])
	if err != nil {
		panic(err)
	}
	what := c.choose(partition, r)
	if strings.HasPrefix(what, "killed") {
		pid, _ := strconv.Atoi(r.Header.Get(workerHeader))
		if what != killAccepted {
			c.kill(pid)
		} else {
			defer c.kill(pid) // after it was accepted
		}
	}
	switch what {
	case killObserve, killRecord, killSent, killWait, dropped:
		panic(http.ErrAbortHandler)
	case killHeld, held:
		c.late.Go(func() {
			time.Sleep(hold - time.Second)
			c.serve(partition, r)
		})
		panic(http.ErrAbortHandler)
	}
	answer := c.serve(partition, r)
	if what == lost || what == killAccepted {
		panic(http.ErrAbortHandler)
	}
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = answer.Body.WriteTo(w)
}

// choose returns what happens to a request; "": nothing.
func (c *chaos) choose(partition uuid.UUID, r *http.Request) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	step, post := r.Header.Get(stepHeader), r.Method == http.MethodPost
	if step == naiveActivity {
		step = "Observe"
		if c.accepted[partition] > 0 {
			step = "Poll"
		}
	}
	what := c.plan[partition]
	hit := post
	switch what {
	case killObserve:
		hit = step == "Observe"
	case killRecord:
		hit = step == "Send" || post
	case killWait:
		hit = step == "Poll"
	}
	if what == "" || !hit {
		return ""
	}
	delete(c.plan, partition)
	c.happened[what]++
	return what
}

// serve gives a request to the cluster.
func (c *chaos) serve(partition uuid.UUID, r *http.Request) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	c.cluster.ServeHTTP(answer, r)
	if answer.Code == http.StatusAccepted {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.accepted[partition]++
	}
	return answer
}

// kill kills a worker of this test, by its id.
func (c *chaos) kill(pid int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if process := c.running[pid]; process != nil {
		delete(c.running, pid)
		c.kills++
		_ = process.Signal(syscall.SIGKILL)
	}
}

// killAny kills a random worker.
func (c *chaos) killAny(random *rand.Rand) {
	c.mu.Lock()
	pids := slices.Sorted(maps.Keys(c.running))
	c.mu.Unlock()
	if len(pids) > 0 {
		c.kill(pids[random.IntN(len(pids))])
	}
}

// startChaos starts a cluster and the workers for it, and returns a client of the engine.
func startChaos(t *testing.T, partitions int) (*chaos, []uuid.UUID, client.Client) {
	t.Helper()
	cluster := sfbackuptest.NewCluster(sfbackuptest.WithServices(sfbackuptest.LargeCluster(partitions/10, 10, 1)...))
	c := &chaos{running: map[int]*os.Process{}, plan: map[uuid.UUID]string{}, accepted: map[uuid.UUID]int{}, happened: map[string]int{}}
	for i, partition := range cluster.Partitions() {
		cluster.SetOutcome(partition, sfbackuptest.Outcome{Accepted: 100 * time.Millisecond, Running: time.Second})
		c.plan[partition] = crashes[i%len(crashes)]
	}
	server, err := sfbackuptest.NewServer(cluster, sfbackuptest.WithHandler(func(cluster http.Handler) http.Handler {
		c.cluster = cluster
		return c
	}))
	if err != nil {
		t.Fatal(err)
	}
	engine := temporaltest.NewServer()
	ctx, cancel := context.WithCancel(t.Context())
	var supervisors sync.WaitGroup
	for range workers {
		supervisors.Go(func() {
			for ctx.Err() == nil {
				if err := c.runChild(ctx, engine, server.URL); err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
			}
		})
	}
	random := rand.New(rand.NewPCG(*crashSeed, 0))
	supervisors.Go(func() {
		ticks := time.NewTicker(2 * time.Second)
		defer ticks.Stop()
		for range partitions / 8 {
			select {
			case <-ticks.C:
				c.killAny(random)
			case <-ctx.Done():
				return
			}
		}
	})
	t.Cleanup(func() {
		cancel()
		supervisors.Wait()
		c.late.Wait()
		engine.Stop()
		server.Close()
	})
	return c, cluster.Partitions(), engine.GetDefaultClient()
}

// runChild runs a worker until it is killed.
func (c *chaos) runChild(ctx context.Context, engine *temporaltest.TestServer, endpoint string) error {
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), "DURABLE_TEMPORAL="+engine.GetFrontendHostPort(), "DURABLE_NAMESPACE="+engine.GetDefaultNamespace(), "DURABLE_ENDPOINT="+endpoint)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	defer stdin.Close()
	if err := cmd.Start(); err != nil {
		return err
	}
	c.mu.Lock()
	c.running[cmd.Process.Pid] = cmd.Process
	c.mu.Unlock()
	err = cmd.Wait()
	c.mu.Lock()
	delete(c.running, cmd.Process.Pid)
	c.mu.Unlock()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && !exit.Exited() {
		return nil // by the signal
	}
	return fmt.Errorf("a worker has ended by itself: %w", err)
}

// starts returns how many partitions had how many accepted starts.
func (c *chaos) starts(partitions []uuid.UUID) map[int]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	counts := map[int]int{}
	for _, partition := range partitions {
		counts[c.accepted[partition]]++
	}
	return counts
}

// Workers are killed at every step of a start and at random, and requests and answers are lost. No partition is backed
// up twice, each has one result, and it is right.
func TestCrashes(t *testing.T) {
	began := time.Now()
	c, partitions, engine := startChaos(t, *crashPartitions)
	run, err := engine.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "fleet", TaskQueue: durable.TaskQueue(clusterName)},
		durable.BackupFleet, durable.Fleet{Cluster: clusterName, Partitions: partitions, Pace: pace})
	if err != nil {
		t.Fatal(err)
	}
	var summary durable.Summary
	if err := run.Get(t.Context(), &summary); err != nil {
		t.Fatal(err)
	}
	c.late.Wait()
	states := map[string]int{}
	for _, partition := range partitions {
		var result durable.Result
		if err := engine.GetWorkflow(t.Context(), durable.WorkflowID(clusterName, partition), "").Get(t.Context(), &result); err != nil {
			t.Fatal(err)
		}
		states[result.State]++
		c.mu.Lock()
		accepted := c.accepted[partition]
		c.mu.Unlock()
		switch {
		case accepted > 1,
			accepted == 0 && result.State != durable.NotStarted && result.State != durable.Unknown,
			accepted == 1 && result.State == durable.NotStarted:
			t.Errorf("%s: %d starts, and the result %+v", partition, accepted, result)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	answers, requests := c.happened[lost]+c.happened[killAccepted]+c.happened[killHeld]+c.happened[held], c.happened[killSent]+c.happened[dropped]
	t.Logf("%d partitions in %v: results %v; %d workers killed; %d answers of accepted starts lost, %d starts lost before their effect; %v",
		len(partitions), time.Since(began).Round(time.Second), states, c.kills, answers, requests, c.happened)
	if n := summary.Succeeded + summary.Failed + summary.Unknown; n != len(partitions) || summary.Total != n || summary.Running != 0 {
		t.Errorf("the summary is %+v", summary)
	}
	if c.kills*2 < len(partitions) || answers*4 < len(partitions) || requests*10 < len(partitions) || states[string(sfbackup.BackupStateSuccess)] < len(partitions)*9/10 {
		t.Error("too little has happened")
	}
}

// The negative control: an activity that starts and waits, and that the engine repeats, backs up many partitions twice.
func TestCrashesOfNaiveWorkflow(t *testing.T) {
	c, partitions, engine := startChaos(t, *crashPartitions*3/10)
	var runs []client.WorkflowRun
	for _, partition := range partitions {
		run, err := engine.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "naive/" + partition.String(), TaskQueue: durable.TaskQueue(clusterName)}, naive, partition)
		if err != nil {
			t.Fatal(err)
		}
		runs = append(runs, run)
	}
	failed := 0
	for _, run := range runs {
		if run.Get(t.Context(), nil) != nil {
			failed++
		}
	}
	c.late.Wait()
	counts := c.starts(partitions)
	c.mu.Lock()
	defer c.mu.Unlock()
	t.Logf("%d partitions: %d workers killed; by the number of accepted starts: %v; %d without success; %v", len(partitions), c.kills, counts, failed, c.happened)
	if twice := len(partitions) - counts[0] - counts[1]; twice < len(partitions)/10 {
		t.Errorf("only %d partitions were backed up more than once: this test loses too little to show anything", twice)
	}
}
