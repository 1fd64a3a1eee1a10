package controller

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"vaultsecret.io/kubectl-vaultsecret/internal/engine"
)

// What is scraped of mappings is in ESO's words and Prometheus's text format, whatever
// format was asked for, ahead of the rest.
func TestTallies(t *testing.T) {
	var tallies tallies
	well, failing, foreign := types.NamespacedName{Namespace: "a", Name: "well"}, types.NamespacedName{Namespace: "a", Name: "failing"}, types.NamespacedName{Namespace: "b", Name: "foreign"}
	tallies.synced(well, engine.Outcome{Ready: true}, time.Millisecond)
	tallies.synced(well, engine.Outcome{Ready: true}, 2*time.Millisecond)
	tallies.synced(failing, engine.Outcome{Err: errors.New("no answer")}, time.Second)
	tallies.synced(foreign, engine.Outcome{Skipped: true}, time.Second)
	gone := types.NamespacedName{Namespace: "c", Name: "gone"}
	tallies.synced(gone, engine.Outcome{Ready: true}, time.Second)
	tallies.forget(gone)
	request := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	request.Header.Set("Accept", "application/vnd.google.protobuf")
	answer := httptest.NewRecorder()
	tallies.ahead(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if accept := r.Header.Get("Accept"); accept != "" {
			t.Errorf("the rest is asked for as %s", accept)
		}
		_, _ = w.Write([]byte("rest\n"))
	})).ServeHTTP(answer, request)
	const want = `# HELP externalsecret_sync_calls_total Syncs of an ExternalSecret that were tried.
# TYPE externalsecret_sync_calls_total counter
externalsecret_sync_calls_total{name="failing",namespace="a"} 1
externalsecret_sync_calls_total{name="well",namespace="a"} 2
externalsecret_sync_calls_total{name="foreign",namespace="b"} 1
# HELP externalsecret_sync_calls_error Syncs of an ExternalSecret that failed.
# TYPE externalsecret_sync_calls_error counter
externalsecret_sync_calls_error{name="failing",namespace="a"} 1
# HELP externalsecret_status_condition 1 for the condition's status as it is, 0 for the opposite.
# TYPE externalsecret_status_condition gauge
externalsecret_status_condition{condition="Ready",name="failing",namespace="a",status="False"} 1
externalsecret_status_condition{condition="Ready",name="failing",namespace="a",status="True"} 0
externalsecret_status_condition{condition="Ready",name="well",namespace="a",status="False"} 0
externalsecret_status_condition{condition="Ready",name="well",namespace="a",status="True"} 1
# HELP externalsecret_reconcile_duration Nanoseconds that the last sync took.
# TYPE externalsecret_reconcile_duration gauge
externalsecret_reconcile_duration{name="failing",namespace="a"} 1e+09
externalsecret_reconcile_duration{name="well",namespace="a"} 2e+06
rest
`
	if diff := cmp.Diff(want, answer.Body.String()); diff != "" {
		t.Error(diff)
	}
	if got := answer.Header().Get("Content-Type"); got != "text/plain; version=0.0.4; charset=utf-8" {
		t.Errorf("served as %s", got)
	}
}
