package sfbackuptest

import (
	"time"

	"github.com/google/uuid"
)

// documentedServices is the cluster of the documentation's examples.
func documentedServices() []Service {
	full, incremental := BackupTypeFull, BackupTypeIncremental
	backup := func(id string, kind BackupType, made time.Time, lsn int64) Backup {
		return Backup{ID: uuid.MustParse(id), Type: kind, Time: made, LSN: lsn}
	}
	at := func(day, hour, minute, second int) time.Time {
		return time.Date(2018, time.January, day, hour, minute, second, 0, time.UTC)
	}
	return []Service{{
		Name:            "fabric:/CalcApp/CalcService",
		ManifestVersion: "1.0.0",
		Partitions: []Partition{
			{
				ID:   uuid.MustParse("1daae3f5-7fd6-42e9-b1ba-8c05f873994d"),
				Kind: PartitionKindInt64Range,
				Backups: []Backup{
					backup("3a056ac9-7206-43c3-8424-6f6103003eba", full, at(1, 9, 0, 55), 261),
					backup("7903dc2a-228d-44b0-b7c8-a13a6c9b46bd", incremental, at(1, 17, 1, 2), 446),
					backup("be06a49c-be67-4eb1-a602-b983605be862", full, at(2, 8, 59, 53), 639),
				},
			},
			{
				ID:   uuid.MustParse("81645ec7-d260-4c59-9533-8f129bde8e83"),
				Kind: PartitionKindInt64Range,
				Backups: []Backup{
					backup("0ff4fdbe-131c-4dfb-8249-7b4029ddc014", full, at(1, 9, 1, 2), 161),
					backup("d55a2d98-258b-4a34-8fe5-2063e81af9dc", incremental, at(1, 17, 0, 34), 246),
				},
			},
		},
	}}
}
