package durable_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
	"github.com/stretchr/testify/mock"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/servicefabric-go/backup/examples/durable"
)

// The workflow of a partition sends a start again only if the one before certainly had no effect.
func TestBackupPartition(t *testing.T) {
	gateway, err := sfbackup.NewClient("http://localhost:19080", sfbackup.WithHTTPClient(&http.Client{Transport: sfbackuptest.NewCluster().Transport()}))
	if err != nil {
		t.Fatal(err)
	}
	partition := uuid.MustParse("1daae3f5-7fd6-42e9-b1ba-8c05f873994d")
	record, err := gateway.ObserveStart(t.Context(), partition, nil)
	if err != nil {
		t.Fatal(err)
	}
	const started, none, unknown = sfbackup.Started, sfbackup.NotStarted, sfbackup.StartUnknown
	for name, tt := range map[string]struct {
		send    []durable.Step // one for each start; the workers of further ones are lost
		resolve []durable.Step // in this order
		want    string
		least   time.Duration
	}{
		"accepted":              {send: []durable.Step{{Outcome: started}}, want: "Success"},
		"refused for good":      {send: []durable.Step{{Outcome: none, Lasting: true}}, want: durable.NotStarted},
		"refused for now":       {send: []durable.Step{{Outcome: none}, {Outcome: none}, {Outcome: started}}, want: "Success"},
		"refused for long":      {send: []durable.Step{{Outcome: none}, {Outcome: none}, {Outcome: none}, {Outcome: none}}, want: durable.NotStarted},
		"lost, and started":     {resolve: []durable.Step{{Again: 5 * time.Minute}, {Outcome: started}}, want: "Success", least: 5 * time.Minute},
		"lost, and never known": {resolve: []durable.Step{{Again: 5 * time.Minute}, {}}, want: durable.Unknown},
		"unknown, and never sent": {
			send: []durable.Step{{Outcome: unknown}, {Outcome: started}}, resolve: []durable.Step{{Again: time.Minute}, {Outcome: none}}, want: "Success", least: time.Minute,
		},
	} {
		t.Run(name, func(t *testing.T) {
			env := new(testsuite.WorkflowTestSuite).NewTestWorkflowEnvironment()
			env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: time.Minute}) // a busy machine is no deadlock
			env.SetTestTimeout(time.Minute)
			var a *durable.Activities
			env.RegisterActivity(a)
			sends := 0
			env.OnActivity(a.Observe, mock.Anything, mock.Anything).Return(record, nil)
			env.OnActivity(a.Send, mock.Anything, mock.Anything).Return(func(context.Context, sfbackup.StartRecord) (durable.Step, error) {
				if sends++; sends > len(tt.send) {
					return durable.Step{}, errors.New("its worker was lost")
				}
				return tt.send[sends-1], nil
			})
			looks := 0
			env.OnActivity(a.Resolve, mock.Anything, mock.Anything).Return(func(context.Context, sfbackup.StartRecord) (durable.Step, error) {
				if looks++; looks > len(tt.resolve) {
					return durable.Step{}, temporal.NewNonRetryableApplicationError("too many looks", "", nil)
				}
				return tt.resolve[looks-1], nil
			})
			env.OnActivity(a.Poll, mock.Anything, mock.Anything).Return(durable.Poll{Ended: true, Result: durable.Result{Partition: partition, State: "Success"}}, nil)
			began := env.Now()
			env.ExecuteWorkflow(durable.BackupPartition, durable.Backup{Partition: partition})
			var result durable.Result
			if err := env.GetWorkflowResult(&result); err != nil || result.State != tt.want || result.Partition != partition {
				t.Errorf("%+v, %v", result, err)
			}
			if sends != max(len(tt.send), 1) || looks != len(tt.resolve) || env.Now().Sub(began) < tt.least {
				t.Errorf("%d starts, %d looks, %v", sends, looks, env.Now().Sub(began))
			}
		})
	}
}
