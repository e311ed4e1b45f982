package contract

import (
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// union checks a value that is not null against a oneOf or an anyOf.
func (c *check) union(u *union, value jsontext.Value) {
	if u.kinds != nil {
		c.kind(u, value)
		return
	}
	member := u.meant(c, value)
	if member == nil {
		found := c.skipRaw(value)
		c.add(RuleOneOf, "expected a value that matches one of %s, found %s", u.names(), c.describe(u.source, found))
		return
	}
	c.raw(member, value) // it reports why the value does not match, and what no schema has
}

// names lists the names of the members, or counts them if they have none.
func (u *union) names() string {
	var names []string
	for _, ref := range slices.Concat(u.source.OneOf, u.source.AnyOf) {
		name, ok := strings.CutPrefix(ref.Ref, schemaPrefix)
		if !ok {
			return count(len(u.members), "schema")
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

// meant returns the member of a union without a discriminator that a value matches or was probably meant to match. It
// returns nil if there is none, or more than one in a oneOf.
func (u *union) meant(c *check, value jsontext.Value) *schema {
	if len(u.members) == 1 {
		return u.members[0]
	}
	var matching, exactly []*schema
	for _, member := range u.members {
		if failed, extra := c.try(member, value); !failed {
			matching = append(matching, member)
			if !extra {
				exactly = append(exactly, member)
			}
		}
	}
	switch {
	case len(matching) == 0:
		return u.likelyMember(c, value)
	case len(exactly) == 0: // which one does not matter: the rest is not in the document
		return matching[0]
	case len(exactly) == 1 || len(u.source.OneOf) == 0:
		return exactly[0]
	}
	return nil
}

// try checks a value against a schema without a report. It returns whether the value does not match, and whether it
// has properties that are not in the document or appear twice.
func (c *check) try(s *schema, value []byte) (failed, extra bool) {
	m := &check{validator: c.validator, side: c.side, matching: true, free: c.free}
	m.raw(s, value)
	c.free = m.free
	return m.failed, m.extra
}

// kind checks a value of a union with a discriminator.
func (c *check) kind(u *union, value jsontext.Value) {
	if value.Kind() != '{' {
		c.add(RuleType, "expected an object, found %s", c.describe(u.source, c.skipRaw(value)))
		return
	}
	name := u.source.Discriminator.PropertyName
	var f found
	if raw := c.member(value, name); raw != nil {
		m := &check{validator: c.validator, matching: true} // the whole value is read below
		f = m.skipRaw(raw)
	}
	if k := u.kinds[string(f.text)]; k != nil && f.kind == '"' {
		c.count(k.seen)
		c.raw(k.schema, value)
		return
	}
	c.pushName(name)
	switch f.kind {
	case 0:
		c.add(RuleRequired, "expected the required property, found none")
	case 'n':
		c.add(RuleNull, "expected a value, found null")
	default:
		c.add(RuleDiscriminator, "expected one of %s, found %s", strings.Join(slices.Sorted(maps.Keys(u.kinds)), ", "), c.describe(u.source, f))
	}
	c.pop()
	c.skipRaw(value)
}

// skipRaw reads a value without a schema.
func (c *check) skipRaw(value jsontext.Value) found {
	dec := c.decoder(value)
	f := c.skip(dec)
	f.text = slices.Clone(f.text)
	c.free = append(c.free, dec)
	return f
}

// member returns the value of a property of an object, nil if there is none.
func (c *check) member(object jsontext.Value, name string) (value jsontext.Value) {
	dec := c.decoder(object)
	_, _ = dec.ReadToken()
	for dec.PeekKind() == '"' {
		if string(c.name(dec)) == name {
			value, _ = dec.ReadValue()
		} else {
			_ = dec.SkipValue()
		}
	}
	value = slices.Clone(value) // the decoder may be used again
	c.free = append(c.free, dec)
	return value
}

// likelyMember returns the member of a union without a discriminator that a value is probably meant to match: the
// only one with its type and, for an object, with no required property that the value lacks. It returns nil if
// there is none or more than one.
func (u *union) likelyMember(c *check, value jsontext.Value) *schema {
	var likely *schema
	for _, member := range u.members {
		lacks := func(p *property) bool { return p.required && c.member(value, p.name) == nil }
		if member.types == nil || !member.allows(value.Kind()) || value.Kind() == '{' && slices.ContainsFunc(member.ordered, lacks) {
			continue
		}
		if likely != nil {
			return nil
		}
		likely = member
	}
	return likely
}
