package claim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// Flags reads parameters that are true or false, which is what they are if they
// are not there. There must be no others than those named.
func (c *Claim) Flags(names ...string) (map[string]bool, error) {
	on := map[string]bool{}
	for name, value := range c.Parameters {
		if !slices.Contains(names, name) || value != "true" && value != "false" {
			return nil, fmt.Errorf("parameter %s=%s of %s means nothing", name, value, c.Definition)
		}
		on[name] = value == "true"
	}
	return on, nil
}

// Listed returns the elements of a list, a set or nil, which has none.
func Listed(o *Op) ([]history.Value, error) {
	v := o.Complete.Value
	if k := v.Kind(); k != history.KindList && k != history.KindSet && !v.IsNil() {
		return nil, fmt.Errorf("index %d returned %v, which is no list", o.Complete.Index, v)
	}
	return v.Elems(), nil
}

// Known makes a value that is not there nil.
func Known(v history.Value) history.Value {
	if v.IsAbsent() {
		return history.Nil
	}
	return v
}

// Name is a text that two values share only if they are equal.
func Name(v history.Value) string { return string(appendName(nil, v)) }

func appendName(b []byte, v history.Value) []byte {
	switch v.Kind() {
	case history.Absent, history.KindNil:
		return append(b, '-')
	case history.KindInt:
		n, _ := v.Int()
		return append(strconv.AppendInt(append(b, 'i'), n, 10), ';')
	case history.KindList, history.KindTuple, history.KindSet, history.KindMap:
		return appendNames(b, v)
	default:
		text := v.String()
		b = strconv.AppendInt(append(b, 's', byte('0'+v.Kind())), int64(len(text)), 10)
		return append(append(b, ':'), text...)
	}
}

func appendNames(b []byte, v history.Value) []byte {
	elems, size := v.Elems(), 1
	if v.Kind() == history.KindMap {
		size = 2
	}
	var names []string
	for part := range slices.Chunk(elems, size) {
		var n []byte
		for _, e := range part {
			n = appendName(n, e)
		}
		names = append(names, string(n))
	}
	if v.Kind() == history.KindSet || v.Kind() == history.KindMap {
		slices.Sort(names)
	}
	b = append(b, 'l', byte('0'+v.Kind()))
	b = append(strconv.AppendInt(b, int64(len(names)), 10), ':')
	return append(b, strings.Join(names, "")...)
}

// SameValue reports whether two values are equal, where one that is not there is nil.
func SameValue(a, b history.Value) bool { return a.IsNil() && b.IsNil() || a.Equal(b) }
