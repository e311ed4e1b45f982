package consumer

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// What a Fake has: a service with one partition and three backups.
const (
	Service   = "fabric:/CalcApp/CalcService"
	Partition = "1daae3f5-7fd6-42e9-b1ba-8c05f873994d"
	Full      = "3a056ac9-7206-43c3-8424-6f6103003eba"
	Second    = "7903dc2a-228d-44b0-b7c8-a13a6c9b46bd"
	Third     = "be06a49c-be67-4eb1-a602-b983605be862"
)

// A Fake is the backup service of a cluster, behind a gateway that adds the name of its node to each progress.
type Fake struct {
	http.Handler
	mu      sync.Mutex
	started bool
}

// NewFake returns a fake.
func NewFake() *Fake {
	f := new(Fake)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /Partitions/{id}/$/Backup", f.backup)
	mux.HandleFunc("GET /Partitions/{id}/$/GetBackupProgress", f.progress)
	mux.HandleFunc("GET /Partitions/{id}/$/GetBackups", f.list)
	mux.HandleFunc("GET /Services/CalcApp/CalcService/$/GetBackups", f.list)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		WriteError(w, http.StatusNotFound, "FABRIC_E_DOES_NOT_EXIST", "There is no such address.")
	})
	f.Handler = mux
	return f
}

func (f *Fake) backup(w http.ResponseWriter, r *http.Request) {
	if !known(w, r) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.started {
		WriteError(w, http.StatusConflict, "FABRIC_E_BACKUP_IN_PROGRESS", "A backup is in progress.")
		return
	}
	f.started = true
	w.WriteHeader(http.StatusAccepted)
}

func (f *Fake) progress(w http.ResponseWriter, r *http.Request) {
	if !known(w, r) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.started {
		WriteJSON(w, http.StatusOK, nil)
		return
	}
	WriteJSON(w, http.StatusOK, Progress())
}

func (f *Fake) list(w http.ResponseWriter, r *http.Request) {
	if r.PathValue("id") != "" && !known(w, r) {
		return
	}
	ids := []string{Full, Second, Third}
	if latest, _ := strconv.ParseBool(r.FormValue("Latest")); latest {
		ids = ids[2:]
	}
	for i, id := range ids {
		if r.FormValue("ContinuationToken") == "after "+id+"+#" {
			ids = ids[i+1:]
			break
		}
	}
	var token any
	if size, _ := strconv.Atoi(r.FormValue("MaxResults")); size > 0 && size < len(ids) {
		ids, token = ids[:size], "after "+ids[size-1]+"+#"
	}
	items := make([]map[string]any, len(ids))
	for i, id := range ids {
		items[i] = Backup(id)
	}
	WriteJSON(w, http.StatusOK, map[string]any{"ContinuationToken": token, "Items": items})
}

func known(w http.ResponseWriter, r *http.Request) bool {
	if strings.EqualFold(r.PathValue("id"), Partition) {
		return true
	}
	WriteError(w, http.StatusNotFound, "FABRIC_E_PARTITION_NOT_FOUND", "The partition does not exist.")
	return false
}

// Progress returns a backup that has succeeded.
func Progress() map[string]any {
	return map[string]any{
		"BackupState":             "Success",
		"TimeStampUtc":            "2018-01-03T09:00:55Z",
		"BackupId":                Third,
		"BackupLocation":          `CalcApp\CalcService\` + Partition + `\2018-01-03 09.00.55.zip`,
		"EpochOfLastBackupRecord": epoch(),
		"LsnOfLastBackupRecord":   "850",
		"FailureError":            nil,
		"NodeName":                "_Node_0",
	}
}

// Backup returns a backup of a list.
func Backup(id string) map[string]any {
	kind := "Incremental"
	if id == Full {
		kind = "Full"
	}
	return map[string]any{
		"BackupId":               id,
		"BackupChainId":          Full,
		"ApplicationName":        "fabric:/CalcApp",
		"ServiceManifestVersion": "1.0.0",
		"ServiceName":            Service,
		"PartitionInformation": map[string]any{
			"ServicePartitionKind": "Int64Range",
			"Id":                   Partition,
			"LowKey":               "-9223372036854775808",
			"HighKey":              "9223372036854775807",
		},
		"BackupLocation":          `CalcApp\CalcService\` + Partition + `\2018-01-01 09.00.55.zip`,
		"BackupType":              kind,
		"EpochOfLastBackupRecord": epoch(),
		"LsnOfLastBackupRecord":   "261",
		"CreationTimeUtc":         "2018-01-01T09:00:55Z",
		"FailureError":            nil,
	}
}

func epoch() map[string]any {
	return map[string]any{"DataLossVersion": "131462452931584510", "ConfigurationVersion": "8589934592"}
}

// WriteError writes an error as the service does.
func WriteError(w http.ResponseWriter, status int, code, message string) {
	WriteJSON(w, status, map[string]any{"Error": map[string]any{"Code": code, "Message": message}})
}

// WriteJSON writes a response.
func WriteJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
