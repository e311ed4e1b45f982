package sfbackuptest

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// TestTableOfProfiles: the documentation of the package has a row for each difference between the profiles.
func TestTableOfProfiles(t *testing.T) {
	t.Parallel()
	row := func(text, runtime, documented string) string {
		return strings.TrimRight(fmt.Sprintf("//\t%-52s%-9s%s", text, runtime, documented), " ") + "\n"
	}
	want := row("", "Runtime", "Documented")
	runtime, documented := reflect.ValueOf(ProfileRuntime.behavior()).Elem(), reflect.ValueOf(ProfileDocumented.behavior()).Elem()
	for i := range runtime.NumField() {
		field := runtime.Type().Field(i)
		text := field.Tag.Get("doc")
		if differ := !runtime.Field(i).Equal(documented.Field(i)); differ != (text != "") {
			t.Errorf("%s: the profiles differ: %t; its doc tag is %q", field.Name, differ, text)
		}
		if text == "" {
			continue
		}
		yesOrNo := func(v reflect.Value) string { return map[bool]string{true: "yes", false: "no"}[v.Bool()] }
		for part := range strings.SplitSeq(text, ";") {
			want += row(part, yesOrNo(runtime.Field(i)), yesOrNo(documented.Field(i)))
		}
	}
	source, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	got := regexp.MustCompile(`(?m)(^//\t +Runtime +Documented\n)(//\t.*\n)+`).FindString(string(source))
	if got != want {
		t.Errorf("the table is\n%s\nwant\n%s", got, want)
	}
}
