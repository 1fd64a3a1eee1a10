package controller

import (
	"testing"
	"testing/quick"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"vaultsecret.io/kubectl-vaultsecret/internal/engine"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
)

func noon() time.Time { return time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC) }

func example(policy eso.RefreshPolicy, interval string) *eso.ExternalSecret {
	return &eso.ExternalSecret{
		ObjectMeta: metav1.ObjectMeta{Name: "db", Namespace: "apps", UID: "u", Generation: 1},
		Spec:       eso.ExternalSecretSpec{RefreshPolicy: policy, RefreshInterval: eso.DurationText(interval)},
	}
}

func TestNext(t *testing.T) {
	const soon, later, asleep, paused = "now", "interval", "never", "backoff"
	synced := attempt{at: noon().Add(-time.Minute), version: "v1", left: seen{version: "5"}, class: engine.OK}
	failed := synced
	failed.failures, failed.class = 3, engine.NeedsChange
	skipped := synced
	skipped.skipped = true
	deleted := synced
	deleted.left = seen{version: "5", absent: true}
	for _, c := range []struct {
		name, policy, interval, version string
		last                            attempt
		view                            seen
		want                            string
	}{
		{"never tried", "Periodic", "1h", "v1", attempt{}, seen{}, soon},
		{"never tried, interval 0", "Periodic", "0", "v1", attempt{}, seen{}, soon},
		{"synced", "Periodic", "1h", "v1", synced, seen{version: "5"}, later},
		{"policy unset", "", "1h", "v1", synced, seen{version: "5"}, later},
		{"synced, interval 0", "Periodic", "0", "v1", synced, seen{version: "5"}, asleep},
		{"synced, 0h0m0s", "Periodic", "0h0m0s", "v1", synced, seen{version: "5"}, asleep},
		{"synced, OnChange", "OnChange", "1h", "v1", synced, seen{version: "5"}, asleep},
		{"synced, CreatedOnce", "CreatedOnce", "1h", "v1", synced, seen{version: "5"}, asleep},
		{"changed", "Periodic", "1h", "v2", synced, seen{version: "5"}, soon},
		{"force-sync under interval 0", "Periodic", "0", "v2", synced, seen{version: "5"}, soon},
		{"changed, OnChange", "OnChange", "1h", "v2", synced, seen{version: "5"}, soon},
		{"changed, CreatedOnce", "CreatedOnce", "1h", "v2", synced, seen{version: "5"}, asleep},
		{"Secret edited", "CreatedOnce", "1h", "v1", synced, seen{version: "6"}, soon},
		{"Secret edited, interval 0", "Periodic", "0", "v1", synced, seen{version: "6"}, soon},
		{"Secret deleted", "OnChange", "1h", "v1", synced, seen{version: "6", absent: true}, soon},
		{"Secret deleted while nobody watched", "OnChange", "1h", "v1", synced, seen{version: "5", absent: true}, soon},
		{"watch lags behind our write", "Periodic", "1h", "v1", synced, seen{version: "4"}, later},
		{"watch lags, Secret not seen yet", "Periodic", "1h", "v1", synced, seen{absent: true}, later},
		{"our own deletion arrives", "Periodic", "1h", "v1", deleted, seen{version: "6", absent: true}, later},
		{"recreated after our deletion", "Periodic", "1h", "v1", deleted, seen{version: "7"}, soon},
		{"failed", "Periodic", "1h", "v1", failed, seen{version: "5"}, paused},
		{"failed, CreatedOnce", "CreatedOnce", "1h", "v1", failed, seen{version: "5"}, paused},
		{"failed, mended", "CreatedOnce", "1h", "v2", failed, seen{version: "5"}, soon},
		{"failed, Secret changed", "Periodic", "1h", "v1", failed, seen{version: "6"}, soon},
		{"another controller's", "Periodic", "1h", "v1", skipped, seen{version: "5"}, asleep},
		{"another controller's, changed", "Periodic", "1h", "v2", skipped, seen{version: "5"}, soon},
		{"bad interval", "Periodic", "1d", "v1", synced, seen{version: "5"}, asleep},
	} {
		es := example(eso.RefreshPolicy(c.policy), c.interval)
		got := next(es, 7, c.version, c.last, c.view, noon())
		want := map[string]time.Time{
			soon: noon(), asleep: {}, paused: c.last.at.Add(4 * time.Second),
			later: c.last.at.Add(time.Hour - early(7, time.Hour)),
		}[c.want]
		if !got.Equal(want) {
			t.Errorf("%s: next is %s, want %s (%s)", c.name, got, c.want, want)
		}
	}
}

func TestOrphanIsNotRepairedBetweenRefreshes(t *testing.T) {
	es := example("Periodic", "1h")
	es.Spec.Target.CreationPolicy = eso.CreateOrphan
	last := attempt{at: noon(), version: "v", left: seen{version: "5"}}
	if got := next(es, 7, "v", last, seen{version: "6", absent: true}, noon()); !got.After(noon()) {
		t.Errorf("due at %s", got)
	}
}

// Two that undo each other's writes do it ever more rarely; somebody who asks is
// answered at once all the same.
func TestRepairsArePaced(t *testing.T) {
	es := example("Periodic", "1h")
	for writes, want := range map[int]time.Duration{1: 0, 5: 0, 6: time.Second, 7: 2 * time.Second, 12: time.Minute, 1000: time.Minute} {
		last := attempt{at: noon(), version: "v", left: seen{version: "5"}, writes: writes}
		if got := next(es, 7, "v", last, seen{version: "6"}, noon()).Sub(noon()); got != want {
			t.Errorf("after %d writes in a row: due in %s, want %s", writes, got, want)
		}
		if got := next(es, 7, "forced", last, seen{version: "6"}, noon()); !got.Equal(noon()) {
			t.Errorf("after %d writes in a row and asked: due at %s, want at once", writes, got)
		}
	}
}

func TestTinyIntervalIsNoLoop(t *testing.T) {
	es := example("Periodic", "1ms")
	last := attempt{at: noon(), version: "v"}
	if got := next(es, 7, "v", last, seen{}, noon()); got.Sub(noon()) < tick*9/10 {
		t.Errorf("due again after %s", got.Sub(noon()))
	}
}

// A refresh is never later than the interval, and never earlier than nine tenths of it.
func TestEarly(t *testing.T) {
	if err := quick.Check(func(hash uint32, seconds uint16) bool {
		interval := time.Duration(seconds) * time.Second
		d := early(hash, interval)
		return d >= 0 && d <= interval/10 && d == early(hash, interval)
	}, nil); err != nil {
		t.Error(err)
	}
}

func TestBackoff(t *testing.T) {
	for _, c := range []struct {
		failures int
		class    engine.Class
		interval string
		want     time.Duration
	}{
		{1, engine.NeedsChange, "1h", time.Second},
		{4, engine.NeedsChange, "1h", 8 * time.Second},
		{30, engine.NeedsChange, "1h", 7 * time.Minute},
		{30, engine.NeedsChange, "2m", 2 * time.Minute},
		{30, engine.NeedsChange, "0", 7 * time.Minute},
		{30, engine.NeedsChange, "10ms", time.Second},
		{30, engine.Transient, "1h", time.Minute},
		{1000, engine.NeedsChange, "1d", 7 * time.Minute},
	} {
		last := attempt{failures: c.failures, class: c.class}
		if got := backoff(example("Periodic", c.interval), last); got != c.want {
			t.Errorf("%d failures, %s, every %s: %s, want %s", c.failures, c.class, c.interval, got, c.want)
		}
	}
}

// After a restart, what the status tells is trusted when the Secret bears it out.
func TestAdopted(t *testing.T) {
	view := seen{version: "5"}
	for name, c := range map[string]struct {
		change  func(*eso.ExternalSecret)
		view    seen
		marked  bool
		trusted bool
	}{
		"synced":                 {func(*eso.ExternalSecret) {}, view, true, true},
		"Secret without marks":   {func(*eso.ExternalSecret) {}, view, false, false},
		"Secret gone":            {func(*eso.ExternalSecret) {}, seen{absent: true}, false, false},
		"failing":                {func(es *eso.ExternalSecret) { es.Status.SetReady(false, "x", "y", metav1.NewTime(noon())) }, view, true, false},
		"no status":              {func(es *eso.ExternalSecret) { es.Status = eso.ExternalSecretStatus{} }, view, true, false},
		"Orphan, Secret gone":    {func(es *eso.ExternalSecret) { es.Spec.Target.CreationPolicy = eso.CreateOrphan }, seen{absent: true}, false, true},
		"policy None":            {func(es *eso.ExternalSecret) { es.Spec.Target.CreationPolicy = eso.CreateNone }, view, false, true},
		"Merge, still missing":   {func(es *eso.ExternalSecret) { es.Status.SetReady(true, eso.ReasonMissing, "m", metav1.NewTime(noon())) }, seen{absent: true}, false, true},
		"Merge, there meanwhile": {func(es *eso.ExternalSecret) { es.Status.SetReady(true, eso.ReasonMissing, "m", metav1.NewTime(noon())) }, view, true, false},
	} {
		es := example("Periodic", "1h")
		es.Status.SetReady(true, eso.ReasonSynced, eso.MessageSynced, metav1.NewTime(noon()))
		es.Status.RefreshTime, es.Status.SyncedResourceVersion = metav1.NewTime(noon()), "v"
		c.change(es)
		if got := adopted(es, c.view, c.marked); got.at.IsZero() == c.trusted {
			t.Errorf("%s: %+v, trusted should be %v", name, got, c.trusted)
		}
	}
}

func TestWindows(t *testing.T) {
	daily := func(kind string) *eso.SyncWindows {
		return &eso.SyncWindows{Kind: kind, Windows: []eso.SyncWindow{{Schedule: "0 12 * * *", Duration: *eso.DurationText("1h")}}}
	}
	for _, c := range []struct {
		windows *eso.SyncWindows
		at      time.Time
		want    bool
	}{
		{nil, noon(), true},
		{daily("allow"), noon(), true},
		{daily("allow"), noon().Add(time.Hour), true},
		{daily("allow"), noon().Add(time.Hour + time.Second), false},
		{daily("allow"), noon().Add(-time.Second), false},
		{daily("deny"), noon().Add(time.Minute), false},
		{daily("deny"), noon().Add(2 * time.Hour), true},
		{daily("allow"), noon().In(time.FixedZone("east", 7200)), true},
		{&eso.SyncWindows{Kind: "allow", Windows: []eso.SyncWindow{{Schedule: "no", Duration: *eso.DurationText("1h")}}}, noon(), false},
		{&eso.SyncWindows{Kind: "deny", Windows: []eso.SyncWindow{{Schedule: "0 12 * * *", Duration: *eso.DurationText("1d")}}}, noon(), true},
	} {
		if got := open(c.windows, c.at); got != c.want {
			t.Errorf("%+v at %s: %v, want %v", c.windows, c.at, got, c.want)
		}
	}
	es := example("Periodic", "1h")
	es.Spec.SyncWindows = daily("deny")
	last := attempt{at: noon().Add(-2 * time.Hour), version: "v"}
	if got := next(es, 7, "v", last, seen{}, noon()); !got.Equal(noon().Add(windowCheck)) {
		t.Errorf("overdue in a closed window: %s", got)
	}
	if got := next(es, 7, "v2", last, seen{}, noon()); !got.Equal(noon()) {
		t.Errorf("changed in a closed window: %s", got)
	}
}

func TestBreaker(t *testing.T) {
	var b breaker
	if b.isOpen() || b.up(noon()) {
		t.Fatal("a new breaker is open")
	}
	for range 100 { // the mappings of one pass count once
		b.down(kv.Sealed, noon().Add(-time.Second), noon())
	}
	if !b.isOpen() || !b.probe().Equal(noon().Add(time.Second)) {
		t.Errorf("after one pass: %+v, probe at %s", b, b.probe())
	}
	now := noon()
	for range 20 {
		now = b.probe()
		b.down(kv.Sealed, now, now)
	}
	if pause := b.probe().Sub(now); pause > 15*time.Second {
		t.Errorf("a store that is down is probed after %s", pause)
	}
	for range 20 {
		now = b.probe()
		b.down(kv.BadCredential, now, now)
	}
	if pause := b.probe().Sub(now); pause != refusedLogin {
		t.Errorf("a refused login is repeated after %s", pause)
	}
	if !b.up(noon()) || b.isOpen() {
		t.Error("an answer does not close the breaker")
	}
}

func names(n int) []types.NamespacedName {
	var all []types.NamespacedName
	for i := range n {
		all = append(all, types.NamespacedName{Namespace: "apps", Name: string(rune('a' + i))})
	}
	return all
}

func TestNeverDeletesInMasses(t *testing.T) {
	for _, c := range []struct {
		wish, total, percent int
		refused              bool
	}{
		{1, 1, 50, false},
		{4, 4, 50, false},
		{5, 5, 50, true},
		{5, 10, 50, false},
		{6, 10, 50, true},
		{5, 5, 100, false},
		{5, 100, 0, true},
		{4, 100, 0, false},
	} {
		b := brake{percent: c.percent}
		if err := b.refuse("s", names(c.wish), c.total, noon()); (err != nil) != c.refused {
			t.Errorf("%d of %d with %d%%: %v", c.wish, c.total, c.percent, err)
		}
	}
	// One by one, as they come due, is no way around.
	b := brake{percent: 50}
	var refused int
	for i, name := range names(8) {
		if b.refuse("s", []types.NamespacedName{name}, 8, noon().Add(time.Duration(i)*time.Minute)) != nil {
			refused++
		}
	}
	if refused != 4 {
		t.Errorf("of 8 one by one, %d were refused, want the last 4", refused)
	}
	if err := b.refuse("s", names(1), 8, noon().Add(3*time.Hour)); err != nil {
		t.Errorf("hours later: %v", err)
	}
}

func TestShard(t *testing.T) {
	for _, bad := range []string{"1", "3/3", "-1/2", "a/b", "0/0", "/"} {
		if _, err := parseShard(bad); err == nil {
			t.Errorf("%q passes", bad)
		}
	}
	if err := quick.Check(func(namespace string) bool {
		owners := 0
		for i := range 3 {
			if (shard{i, 3}).owns(namespace) {
				owners++
			}
		}
		return owners == 1
	}, nil); err != nil {
		t.Error(err)
	}
}

func TestConfigNamesTheFlag(t *testing.T) {
	for flag, change := range map[string]func(*Config){
		"--log-format":             func(c *Config) { c.LogFormat = "xml" },
		"--log-level":              func(c *Config) { c.LogLevel = "loud" },
		"--concurrency":            func(c *Config) { c.Concurrency = 0 },
		"--shard":                  func(c *Config) { c.Shard = "2/2" },
		"--port-forward":           func(c *Config) { c.PortForward = "yes" },
		"--max-delete-percent":     func(c *Config) { c.MaxDeletePercent = 101 },
		"--profiling-bind-address": func(c *Config) { c.ProfilingAddress = "0.0.0.0:6060" },
		"--once":                   func(c *Config) { c.Once, c.LeaderElect = true, true },
	} {
		c := Default()
		change(&c)
		if err := c.Validate(); err == nil || len(err.Error()) < len(flag) || err.Error()[:len(flag)] != flag {
			t.Errorf("%s: %v", flag, err)
		}
	}
	c := Default()
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}
