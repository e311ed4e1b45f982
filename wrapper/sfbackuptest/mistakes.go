package sfbackuptest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

var zoneSuffix = regexp.MustCompile(`(?i)(?:z|gmt|:.*[+-]\d\d?(?::?\d\d)?)\s*$`)

// mistakes returns what is wrong with the parameters of a list, although the backup service accepts them. The views
// are the storages that the list searches.
func (b *binder) mistakes(q listQuery, views []storageView) (mistakes []string) {
	namesStorage := func(token string) bool {
		id, _, _ := strings.Cut(token, tokenSeparator)
		return slices.ContainsFunc(views, func(s storageView) bool { return s.id == id })
	}
	switch {
	case q.token == "" || !b.behavior.storageTokens || namesStorage(q.token):
	case namesStorage(strings.ReplaceAll(q.token, " ", tokenSeparator)):
		mistakes = append(mistakes, "ContinuationToken: a '+' was not escaped and arrived as a space, so that the token names no storage")
	default:
		mistakes = append(mistakes, fmt.Sprintf("ContinuationToken: %q names no storage", q.token))
	}
	for _, name := range []string{"StartDateTimeFilter", "EndDateTimeFilter"} {
		if text, ok := b.query.get(name); ok && !zoneSuffix.MatchString(text) {
			mistakes = append(mistakes, fmt.Sprintf("%s: %q has no time zone", name, text))
		}
	}
	return mistakes
}
