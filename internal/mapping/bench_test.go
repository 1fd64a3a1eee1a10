package mapping

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkCompute is the work of one mapping in one pass, without any reading.
func BenchmarkCompute(b *testing.B) {
	var object, exact, nested, templates []string
	for i := range 10 {
		object = append(object, fmt.Sprintf(`"key%d":"%s","deep%d":{"v":"x"}`, i, strings.Repeat("s", 32), i))
		exact = append(exact, fmt.Sprintf(`{secretKey: k%d, remoteRef: {key: app, property: key%d}}`, i, i))
		nested = append(nested, fmt.Sprintf(`{secretKey: k%d, remoteRef: {key: app, property: deep%d.v}}`, i, i))
		templates = append(templates, fmt.Sprintf(`t%d: "{{ .k%d | b64enc | quote }}"`, i, i))
	}
	data := "data: [" + strings.Join(exact, ", ") + "]"
	for _, bench := range []struct{ name, spec string }{
		{"10 top-level keys of one payload", data},
		{"10 paths into one payload", "data: [" + strings.Join(nested, ", ") + "]"},
		{"extract", "dataFrom: [{extract: {key: app}}]"},
		{"10 templates", data + "\ntarget: {template: {data: {" + strings.Join(templates, ", ") + "}}}"},
	} {
		b.Run(bench.name, func(b *testing.B) {
			w := world{spec: bench.spec, vault: map[string]string{"app": "{" + strings.Join(object, ",") + "}"}}
			es, in := w.mapping(b)
			for i := range in.Data {
				in.Data[i] = in.Data[0]
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Compute(es, in, Limits{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
