package plugin

import (
	"context"
	"fmt"
	"time"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/gather"
)

// statusList prints a list that comes chunk by chunk, worst first. What is not Ready is
// the worst there is, and the API server lists it in the order in which it is printed:
// so in a long list it is printed as soon as it is there, and all else, of which a row
// is kept and not the object, after the last chunk. A short list is one table.
type statusList struct {
	*statusing
	now    time.Time
	people bool
	table  statusTable

	// items are those that were looked at and are to be shown; the first printed of
	// them, in the order of sortWorstFirst, have been printed.
	items   []MappingStatus
	printed int
	looked  int
}

// take looks at a chunk. left is how many mappings are to come, -1 when not known.
func (l *statusList) take(ctx context.Context, g *gather.Gatherer, chunk []*eso.ExternalSecret, left int64) error {
	items := l.rows(ctx, g, chunk, l.now)
	if err := ctx.Err(); err != nil {
		return err
	}
	l.looked += len(chunk)
	if cap(l.items) == 0 && left > 0 && !l.problems {
		l.items = make([]MappingStatus, 0, int64(l.looked)+min(left, 1<<16)) // growing, it would be held twice
	}
	l.items = append(l.items, items...)
	if left == 0 || !l.people {
		return nil
	}
	var worst []MappingStatus
	for _, item := range items {
		if item.rank(l.now) == 0 {
			worst = append(worst, item)
		}
	}
	l.progress(left)
	return l.show(worst)
}

// progress says on a terminal how far it is.
func (l *statusList) progress(left int64) {
	switch {
	case !terminal(l.ErrOut):
	case left > 0:
		fmt.Fprintf(l.ErrOut, "\r%d of %d", l.looked, int64(l.looked)+left)
	default:
		fmt.Fprintf(l.ErrOut, "\r%d", l.looked)
	}
}

// show prints rows below those that are printed already.
func (l *statusList) show(items []MappingStatus) error {
	if len(items) == 0 {
		return nil
	}
	if terminal(l.ErrOut) {
		fmt.Fprint(l.ErrOut, "\r\x1b[K")
	}
	if err := l.table.print(l.text(l.Out), items); err != nil {
		return err
	}
	l.printed += len(items)
	return nil
}

// finish prints what is left, and the footer.
func (l *statusList) finish(f found) error {
	sortWorstFirst(l.items, l.now)
	if !l.people {
		return l.write(l.items)
	}
	if err := l.show(l.items[l.printed:]); err != nil {
		return err
	}
	if terminal(l.ErrOut) && l.looked > len(l.items) {
		fmt.Fprint(l.ErrOut, "\r\x1b[K")
	}
	switch {
	case len(l.items) > 0:
		fmt.Fprintln(l.ErrOut, footer(l.items, l.now))
	case len(f.missing) > 0:
	case l.looked > 0:
		fmt.Fprintf(l.ErrOut, "No problems in %s.\n", count(l.looked, "mapping"))
	default:
		fmt.Fprintln(l.ErrOut, f.nothing())
	}
	return nil
}

// write prints the list for machines.
func (s *statusing) write(items []MappingStatus) error {
	if s.output == "name" {
		for _, item := range items {
			fmt.Fprintf(s.Out, "externalsecret.%s/%s\n", eso.Group, item.Name)
		}
		return nil
	}
	return printObject(s.print, s.output, &MappingStatusList{TypeMeta: listMeta("MappingStatusList"), Items: items}, s.Out)
}
