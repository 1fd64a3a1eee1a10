package eso

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Ready returns the Ready condition, nil when there is none yet.
func (s *ExternalSecretStatus) Ready() *Condition {
	i := slices.IndexFunc(s.Conditions, func(c Condition) bool { return c.Type == ConditionReady })
	if i < 0 {
		return nil
	}
	return &s.Conditions[i]
}

// SetReady makes Ready the only condition. lastTransitionTime moves only when the
// status flips, as in ESO.
func (s *ExternalSecretStatus) SetReady(ready bool, reason, message string, now metav1.Time) {
	c := Condition{
		Type: ConditionReady, Status: conditionStatus(ready),
		Reason: reason, Message: message, LastTransitionTime: now,
	}
	if old := s.Ready(); old != nil && old.Status == c.Status {
		c.LastTransitionTime = old.LastTransitionTime
	}
	s.Conditions = []Condition{c}
}

// Ready returns the Ready condition, nil when there is none yet.
func (s *StoreStatus) Ready() *StoreStatusCondition {
	i := slices.IndexFunc(s.Conditions, func(c StoreStatusCondition) bool { return c.Type == ConditionReady })
	if i < 0 {
		return nil
	}
	return &s.Conditions[i]
}

// SetReady sets the Ready condition by the same rule as an ExternalSecret's.
func (s *StoreStatus) SetReady(ready bool, reason, message string, now metav1.Time) {
	c := StoreStatusCondition{
		Type: ConditionReady, Status: conditionStatus(ready),
		Reason: reason, Message: message, LastTransitionTime: now,
	}
	if old := s.Ready(); old != nil && old.Status == c.Status {
		c.LastTransitionTime = old.LastTransitionTime
	}
	s.Conditions = []StoreStatusCondition{c}
	if ready {
		s.Capabilities = CapabilitiesVault
	}
}

func conditionStatus(ready bool) metav1.ConditionStatus {
	if ready {
		return metav1.ConditionTrue
	}
	return metav1.ConditionFalse
}
