package mapping

import (
	"encoding/hex"
	"strings"
	"sync"

	"github.com/Masterminds/sprig/v3"
)

// allowedSprig names the functions of sprig that templates may call: ESO's set.
// Whatever is not named here does not exist for a template, so an upgrade of sprig
// adds nothing. Missing on purpose: env, expandenv (environment) and getHostByName
// (network).
const allowedSprig = `
abbrev abbrevboth add add1 add1f addf adler32sum ago all any append atoi b32dec b32enc b64dec b64enc base bcrypt biggest
buildCustomCert camelcase cat ceil chunk clean coalesce compact concat contains date dateInZone dateModify date_in_zone
date_modify decryptAES deepCopy deepEqual default derivePassword dict dig dir div divf duration durationRound empty
encryptAES ext fail first float64 floor fromJson genCA genCAWithKey genPrivateKey genSelfSignedCert
genSelfSignedCertWithKey genSignedCert genSignedCertWithKey get has hasKey hasPrefix hasSuffix hello htmlDate
htmlDateInZone htpasswd indent initial initials int int64 isAbs join kebabcase keys kindIs kindOf last list lower max maxf
merge mergeOverwrite min minf mod mul mulf mustAppend mustChunk mustCompact mustDateModify mustDeepCopy mustFirst
mustFromJson mustHas mustInitial mustLast mustMerge mustMergeOverwrite mustPrepend mustPush mustRegexFind
mustRegexFindAll mustRegexMatch mustRegexReplaceAll mustRegexReplaceAllLiteral mustRegexSplit mustRest mustReverse
mustSlice mustToDate mustToJson mustToPrettyJson mustToRawJson mustUniq mustWithout must_date_modify nindent nospace now
omit osBase osClean osDir osExt osIsAbs pick pluck plural prepend push quote randAlpha randAlphaNum randAscii randBytes
randInt randNumeric regexFind regexFindAll regexMatch regexQuoteMeta regexReplaceAll regexReplaceAllLiteral regexSplit
repeat replace rest reverse round semver semverCompare seq set sha1sum sha256sum sha512sum shuffle slice snakecase
sortAlpha split splitList splitn squote sub subf substr swapcase ternary title toDate toDecimal toJson toPrettyJson
toRawJson toString toStrings trim trimAll trimPrefix trimSuffix trimall trunc tuple typeIs typeIsLike typeOf uniq
unixEpoch unset until untilStep untitle upper urlJoin urlParse uuidv4 values without wrap wrapWith`

// library is every function of a template by name, before bounding. It is built
// once and never changed.
var library = sync.OnceValue(func() map[string]any {
	functions := map[string]any{
		"hexdec":           hexDecode,
		"toYaml":           toYAML,
		"fromYaml":         fromYAML,
		"filterPEM":        filterPEM,
		"filterCertChain":  filterCertChain,
		"certSANs":         certSANs,
		"jwkPublicKeyPem":  jwkPublicKeyPEM,
		"jwkPrivateKeyPem": jwkPrivateKeyPEM,
		"rsaDecrypt":       rsaDecrypt,
		"pkcs12key":        func(p12 string) (string, error) { return pkcs12Key("", p12) },
		"pkcs12keyPass":    pkcs12Key,
		"pkcs12cert":       func(p12 string) (string, error) { return pkcs12Cert("", p12) },
		"pkcs12certPass":   pkcs12Cert,
		"pemToPkcs12":      func(cert, key string) (string, error) { return leafToPKCS12(cert, key, "") },
		"pemToPkcs12Pass":  leafToPKCS12,
		"fullPemToPkcs12":  func(chain, key string) (string, error) { return chainToPKCS12(chain, key, "") },

		"fullPemToPkcs12Pass":       chainToPKCS12,
		"pemTruststoreToPKCS12":     func(certs string) (string, error) { return trustStoreToPKCS12(certs, "") },
		"pemTruststoreToPKCS12Pass": trustStoreToPKCS12,
	}
	all := sprig.TxtFuncMap()
	for _, name := range strings.Fields(allowedSprig) {
		functions[name] = all[name]
	}
	return functions
})

// hexDecode returns its failure as text, as sprig's b64dec and b32dec do.
func hexDecode(text string) string {
	decoded, err := hex.DecodeString(text)
	if err != nil {
		return err.Error()
	}
	return string(decoded)
}

// volatile reports whether a function's result differs from call to call with the
// same arguments: random, the clock, or fresh keys and salts. date and its kin take
// the clock when they are given no time.
func volatile(function string) bool {
	switch function {
	case "now", "ago", "date", "dateInZone", "date_in_zone", "htmlDate", "htmlDateInZone", "durationRound",
		"randAlpha", "randAlphaNum", "randAscii", "randNumeric", "randInt", "randBytes", "shuffle", "uuidv4",
		"bcrypt", "htpasswd", "encryptAES", "genPrivateKey", "genCA", "genCAWithKey", "genSelfSignedCert",
		"genSelfSignedCertWithKey", "genSignedCert", "genSignedCertWithKey",
		"pemToPkcs12", "pemToPkcs12Pass", "fullPemToPkcs12", "fullPemToPkcs12Pass",
		"pemTruststoreToPKCS12", "pemTruststoreToPKCS12Pass":
		return true
	}
	return false
}

// builtin reports whether text/template itself has the function.
func builtin(function string) bool {
	switch function {
	case "and", "or", "not", "len", "index", "slice", "call", "html", "js", "urlquery",
		"print", "printf", "println", "eq", "ne", "lt", "le", "gt", "ge":
		return true
	}
	return false
}

// looksNoDeeper reports whether a function's work does not grow with what is inside
// the elements of its arguments.
func looksNoDeeper(function string) bool {
	switch function {
	case "and", "or", "not", "len", "index", "get", "hasKey", "list", "tuple", "dict", "set", "unset",
		"first", "last", "rest", "initial", "append", "push", "prepend", "concat", "slice",
		"mustFirst", "mustLast", "mustRest", "mustInitial", "mustAppend", "mustPush", "mustPrepend", "mustSlice",
		"keys", "values", "pick", "omit", "pluck", "default", "empty", "coalesce", "ternary", "all", "any",
		"kindOf", "kindIs", "typeOf", "typeIs", "typeIsLike":
		return true
	}
	return false
}
