package plugin

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"vaultsecret.io/kubectl-vaultsecret/internal/diagnose"
)

// DiagnosisList is what diagnose prints with -o json and yaml:
//
//	{"apiVersion":"vaultsecret.io/v1","kind":"DiagnosisList","items":[
//	  {"namespace","name","healthy","rootCauses":["VS504"],"checks":[
//	    {"code","group","title","subject","status":"ok|warn|fail|skip|unknown",
//	     "message","fix","requires","rootCause"}]}]}
//
// healthy is true when nothing failed and nothing is unknown.
type DiagnosisList struct {
	metav1.TypeMeta `json:",inline"`
	Items           []diagnose.Report `json:"items"`
}

// DeepCopyObject makes the list printable by cli-runtime; printers only read.
func (l *DiagnosisList) DeepCopyObject() runtime.Object {
	c := *l
	return &c
}

func diagnosisList(reports []diagnose.Report) *DiagnosisList {
	return &DiagnosisList{
		TypeMeta: metav1.TypeMeta{APIVersion: "vaultsecret.io/v1", Kind: "DiagnosisList"},
		Items:    reports,
	}
}
