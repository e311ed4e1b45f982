package contract_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// samples are valid strings for each format and pattern in the document, the simplest first. The tests
// panic if the document has a format or a pattern without samples.
var samples = map[string][]string{
	"uuid": {
		"1daae3f5-7fd6-42e9-b1ba-8c05f873994d", "00000000-0000-0000-0000-000000000000",
		"FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF", "7903Dc2a-228d-44b0-b7c8-a13a6c9b46bd",
	},
	"date-time": {
		"2018-01-01T09:00:55Z", "2018-11-21T20:00:01.1234567Z", "2020-02-29T23:59:59+02:00",
		"9999-12-31T23:59:59.999999999Z", "0001-01-01T00:00:00Z", "2018-01-01T00:00:00-23:59",
	},
	"int64": {
		"131462452931584510", "0", "-1", "9223372036854775807", "-9223372036854775808", "9007199254740993", "7",
	},
	"uri":             {"https://account.blob.core.windows.net/", "https://[::1]:10000/devstore?a=b#c"},
	`^fabric:/.+$`:    {"fabric:/CalcApp", "fabric:/CalcApp/CalcService", "fabric:/A~B/ü 1", "fabric://"},
	"password":        {"p\"ä\\ss", "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=b=="},
	"string":          {"2018-01-01 09.00.55.zip", `CalcApp\CalcService\1.zip`, "ÄÖÜ 漢字 🗝\u2028", "\x00\t\"</>&", strings.Repeat("long ", 100)},
	"string or empty": {""},
}

// forms returns the samples for a schema of a string.
func stringSamples(schema map[string]any) []string {
	format, _ := schema["format"].(string)
	pattern, _ := schema["pattern"].(string)
	switch {
	case format != "":
		if samples[format] == nil {
			panic("no samples for the format " + format)
		}
		return slices.DeleteFunc(slices.Clone(samples[format]), func(text string) bool {
			return !regexp.MustCompile(pattern).MatchString(text)
		})
	case pattern != "":
		if samples[pattern] == nil {
			panic("no samples for the pattern " + pattern)
		}
		return samples[pattern]
	case schema["minLength"] != nil:
		return samples["string"]
	}
	return append(slices.Clip(samples["string"]), samples["string or empty"]...)
}

// variants returns values of the schema at a pointer that cover every alternative at least once: every kind
// of a union, every value of an enumeration, every property present and absent, null where it is allowed,
// and every sample. The first value has all properties.
func (o *oracle) variants(ref string) []*node {
	schema, ref := o.resolve(ref)
	var all []*node
	enum, _ := schema["enum"].([]any)
	union, _ := schema["oneOf"].([]any)
	switch {
	case enum != nil:
		for _, v := range enum {
			all = append(all, scalar(v))
		}
	case union != nil:
		for i := range union {
			all = append(all, o.variants(fmt.Sprint(ref, "/oneOf/", i))...)
		}
	case schema["type"] == "object":
		full := &node{kind: '{'}
		bare := &node{kind: '{'}
		properties := schema["properties"].(map[string]any)
		required, _ := schema["required"].([]any)
		choices := map[string][]*node{}
		for _, name := range slices.Sorted(maps.Keys(properties)) {
			choices[name] = o.variants(ref + "/properties/" + name)
			full.members = append(full.members, member{name, choices[name][0]})
			if slices.Contains(required, any(name)) {
				bare.members = append(bare.members, member{name, choices[name][0]})
			}
		}
		all = append(all, full, bare)
		for _, m := range full.members {
			for _, value := range choices[m.name][1:] {
				all = append(all, full.with(m.name, value))
			}
			if !slices.Contains(required, any(m.name)) {
				all = append(all, full.with(m.name, nil))
			}
		}
	case schema["type"] == "array":
		items := o.variants(ref + "/items")
		all = append(all, &node{kind: '[', items: items[:2]}, &node{kind: '['})
		for _, item := range items[2:] {
			all = append(all, &node{kind: '[', items: []*node{item}})
		}
	case schema["type"] == "integer":
		for _, text := range samples["int64"] {
			all = append(all, raw(text))
		}
	case schema["type"] == "string":
		for _, text := range stringSamples(schema) {
			all = append(all, scalar(text))
		}
	default:
		panic(fmt.Sprintf("%s: no values for %v", ref, schema))
	}
	if schema["nullable"] == true {
		all = append(all, raw("null"))
	}
	return all
}

// A source makes the choices of a generator. It is a random source, or rapid, which shrinks failures.
type source interface{ IntN(n int) int }

// random returns a value of the schema at a pointer.
func (o *oracle) random(src source, ref string) *node {
	schema, ref := o.resolve(ref)
	if schema["nullable"] == true && src.IntN(4) == 0 {
		return raw("null")
	}
	if enum, ok := schema["enum"].([]any); ok {
		return scalar(enum[src.IntN(len(enum))])
	}
	if union, ok := schema["oneOf"].([]any); ok {
		return o.random(src, fmt.Sprint(ref, "/oneOf/", src.IntN(len(union))))
	}
	switch schema["type"] {
	case "object":
		object := &node{kind: '{'}
		required, _ := schema["required"].([]any)
		for _, name := range slices.Sorted(maps.Keys(schema["properties"].(map[string]any))) {
			if slices.Contains(required, any(name)) || src.IntN(4) > 0 {
				object.members = append(object.members, member{name, o.random(src, ref+"/properties/"+name)})
			}
		}
		for i := range object.members { // shuffle
			j := src.IntN(i + 1)
			object.members[i], object.members[j] = object.members[j], object.members[i]
		}
		return object
	case "array":
		array := &node{kind: '['}
		for range src.IntN(4) {
			array.items = append(array.items, o.random(src, ref+"/items"))
		}
		return array
	case "integer":
		return raw(randomInt64(src))
	case "string":
		return scalar(randomString(src, schema))
	}
	panic(fmt.Sprintf("%s: no values for %v", ref, schema))
}

func randomInt64(src source) string {
	if src.IntN(2) == 0 {
		return samples["int64"][src.IntN(len(samples["int64"]))]
	}
	sign := []string{"", "-"}[src.IntN(2)]
	return sign + fmt.Sprint(src.IntN(1<<62)+1)
}

func randomString(src source, schema map[string]any) string {
	if format, _ := schema["format"].(string); src.IntN(2) == 0 {
		switch {
		case format == "uuid":
			return fmt.Sprintf("%08x-%04x-%04X-%04x-%012x", src.IntN(1<<32), src.IntN(1<<16), src.IntN(1<<16), src.IntN(1<<16), src.IntN(1<<48))
		case format == "int64":
			return randomInt64(src)
		case format == "date-time":
			return fmt.Sprintf("%04d-%02d-%02dT%02d:%02d:%02dZ", 2+src.IntN(9998),
				1+src.IntN(12), 1+src.IntN(28), src.IntN(24), src.IntN(60), src.IntN(60))
		case format == "" && schema["pattern"] == nil:
			return randomText(src) + "."
		}
	}
	texts := stringSamples(schema)
	return texts[src.IntN(len(texts))]
}

// randomText returns less than 40 characters, most of them ASCII.
func randomText(src source) string {
	alphabet := []rune("abcXYZ019 -_./\\:#+%~\"'<&{}[],\x00\x1f\x7f\u00e9\u2028\uffff\U0001F5DD")
	text := make([]rune, src.IntN(40))
	for i := range text {
		text[i] = alphabet[src.IntN(len(alphabet))]
	}
	return string(text)
}
