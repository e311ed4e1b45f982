package contract_test

import (
	"net/http"
	"slices"
	"strings"

	"github.com/servicefabric-go/backup/openapi/contract"
)

// requestOperators change the method, the path or the query of a request.
var requestOperators = onRequests([]operator{
	{"parameter of another type", []contract.Rule{
		contract.RuleInt64, contract.RuleType, contract.RuleDateTime, contract.RuleBounds,
	}, onParameters(func(p parameter) []string {
		if p.name == "api-version" {
			return nil
		}
		return append([]string{
			"", "abc", "1.5", "1e3", " 5", "5 ", "+5", "07", "-0", "0x10", "5,6", "5_000", "１", "yes", "1", "0", "null", "[1]", "tru",
		}, badDates...)
	})},
	{"parameter out of bounds", []contract.Rule{contract.RuleBounds, contract.RuleInt64, contract.RuleType, contract.RuleDateTime}, onParameters(func(p parameter) []string {
		if p.name == "api-version" {
			return nil
		}
		return []string{
			"-1", "0", "1", "35791", "35792", "2147483", "2147484", "2147483647", "2147483648", "4294967295", "4294967296",
			"-2147483648", "-2147483649", "9223372036854775807", "9223372036854775808", "-9223372036854775809", "1" + strings.Repeat("0", 400),
		}
	})},
	{"unknown parameter", []contract.Rule{contract.RuleParameter}, func(x original, emit func(mutant)) {
		names := []string{"Unknown", "_cacheToken", "api_version", ""}
		for _, name := range []string{"timeout", "BackupTimeout", "MaxResults", "Latest", "ContinuationToken", "StartDateTimeFilter"} {
			names = append(names, strings.ToUpper(name), strings.ToLower(name[:1])+name[1:], " "+name, name+"[]")
		}
		for _, name := range names {
			if !slices.ContainsFunc(x.query, func(p parameter) bool { return p.name == name }) {
				emit(x.withQuery("query."+name, append(slices.Clip(x.query), parameter{name, "60"})))
			}
		}
	}},
	{"repeated parameter", []contract.Rule{contract.RuleRepeated}, func(x original, emit func(mutant)) {
		for _, p := range x.query {
			emit(x.withQuery("query."+p.name, append(slices.Clip(x.query), p)))
			emit(x.withQuery("query."+p.name, append([]parameter{p}, x.query...)))
		}
	}},
	{"missing parameter", []contract.Rule{contract.RuleAPIVersion}, func(x original, emit func(mutant)) {
		for i, p := range x.query {
			emit(x.withQuery("query."+p.name, slices.Delete(slices.Clone(x.query), i, i+1)))
		}
	}},
	{"another api-version", []contract.Rule{contract.RuleAPIVersion}, onParameters(func(p parameter) []string {
		if p.name != "api-version" {
			return nil
		}
		return []string{"", "6", "6.0", "6.2-preview", "6.3", "6.40", "6.4 ", "06.4", "6,4", "7.0", "10.1", "v6.4", "6.10", "6.39999", "7", "64e-1", "-7", "NaN", "Infinity"}
	})},
	{"another id in the path", []contract.Rule{contract.RuleUUID, contract.RulePattern}, func(x original, emit func(mutant)) {
		begin := strings.Index(x.path[1:], "/") + 2
		end := strings.LastIndex(x.path, "/$/")
		id := x.path[begin:end]
		for _, other := range []string{
			id + "x", id[1:], "{" + id + "}", " " + id, id + " ", "~" + id, id + "~", id + "/x", "x/" + id, strings.ToUpper(id), id + "//x", "$",
		} {
			m := mutant{exchange: *x.exchange, side: contract.InRequest, location: "path.partitionId"}
			if strings.HasPrefix(x.path, "/Services/") {
				m.location = "path.serviceId"
			}
			m.path = x.path[:begin] + other + x.path[end:]
			emit(m)
		}
	}},
	{"path with different capitalization", []contract.Rule{contract.RulePathCase}, func(x original, emit func(mutant)) {
		for _, pair := range [][2]string{
			{"/Partitions/", "/partitions/"},
			{"/Services/", "/SERVICES/"},
			{"/$/Backup", "/$/backup"},
			{"/$/GetBackup", "/$/getBackup"},
			{"Progress", "progress"},
			{"GetBackups", "GetBackupS"},
		} {
			emit(x.withPath(strings.Replace(x.path, pair[0], pair[1], 1)))
		}
	}},
	{"trailing slash", []contract.Rule{contract.RuleTrailingSlash}, func(x original, emit func(mutant)) {
		emit(x.withPath(x.path + "/"))
		emit(x.withPath(x.path + "//"))
	}},
	{"another path", []contract.Rule{contract.RuleOperation, contract.RuleUUID, contract.RulePattern}, func(x original, emit func(mutant)) {
		for _, pair := range [][2]string{
			{"/$/", "/"},
			{"/$/", "/$"},
			{"/$/", "/$/$/x"},
			{"/Partitions/", "/Partition/"},
			{"/Services/", "/Applications/"},
			{"/$/", "/$/Get"},
			{"/$/Get", "/$/Delete"},
			{x.path, "/"},
			{x.path, "/$/"},
			{"/$/GetBackups", "/$/GetBackups/0"},
		} {
			m := x.withPath(strings.Replace(x.path, pair[0], pair[1], 1))
			m.anywhere = true
			emit(m)
		}
		emit(x.withPath("/gateway" + x.path))
	}},
	{"another method", []contract.Rule{contract.RuleMethod}, func(x original, emit func(mutant)) {
		for _, method := range []string{
			http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodHead, http.MethodOptions, http.MethodPatch, "get", "post",
		} {
			m := x.withPath(x.path)
			m.method = method
			emit(m)
		}
	}},
})

// onRequests makes operators change each request only once, even if several exchanges have it.
func onRequests(list []operator) []operator {
	for i, op := range list {
		list[i].apply = func(x original, emit func(mutant)) {
			if x.firstTime(x.method, x.path, x.query) {
				op.apply(x, emit)
			}
		}
	}
	return list
}

func (x exchange) withQuery(location string, query []parameter) mutant {
	m := mutant{exchange: x, side: contract.InRequest, location: location}
	m.query = query
	return m
}

func (x exchange) withPath(path string) mutant {
	m := mutant{exchange: x, side: contract.InRequest, location: "path"}
	m.path = path
	return m
}

// onParameters returns the change of an operator that gives query parameters other values.
func onParameters(others func(parameter) []string) func(original, func(mutant)) {
	return func(x original, emit func(mutant)) {
		for i, p := range x.query {
			for _, other := range others(p) {
				query := slices.Clone(x.query)
				query[i].value = other
				emit(x.withQuery("query."+p.name, query))
			}
		}
	}
}
