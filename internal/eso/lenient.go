package eso

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/json"
)

// The schema's format date-time admits texts that Go's RFC 3339 does not, such as
// 2026-01-02t03:04:05z. Whoever may patch one status could stop every list with
// one, so a time that cannot be read is no time.
type lenientTime struct{ metav1.Time }

// UnmarshalJSON never fails.
func (t *lenientTime) UnmarshalJSON(raw []byte) error {
	if err := t.Time.UnmarshalJSON(raw); err != nil {
		t.Time = metav1.Time{}
	}
	return nil
}

// UnmarshalJSON decodes with a lenient refreshTime.
func (s *ExternalSecretStatus) UnmarshalJSON(raw []byte) error {
	type plain ExternalSecretStatus
	status := struct {
		*plain
		RefreshTime lenientTime `json:"refreshTime"`
	}{plain: (*plain)(s)}
	err := json.Unmarshal(raw, &status)
	s.RefreshTime = status.RefreshTime.Time
	return err
}

// UnmarshalJSON decodes with a lenient lastTransitionTime.
func (c *Condition) UnmarshalJSON(raw []byte) error {
	type plain Condition
	condition := struct {
		*plain
		LastTransitionTime lenientTime `json:"lastTransitionTime"`
	}{plain: (*plain)(c)}
	err := json.Unmarshal(raw, &condition)
	c.LastTransitionTime = condition.LastTransitionTime.Time
	return err
}

// UnmarshalJSON decodes with a lenient lastTransitionTime.
func (c *StoreStatusCondition) UnmarshalJSON(raw []byte) error {
	type plain StoreStatusCondition
	condition := struct {
		*plain
		LastTransitionTime lenientTime `json:"lastTransitionTime"`
	}{plain: (*plain)(c)}
	err := json.Unmarshal(raw, &condition)
	c.LastTransitionTime = condition.LastTransitionTime.Time
	return err
}
