package simulator

import (
	"strings"

	"github.com/toprelay/worker/schemas"
)

// api is one method of the catalogue as the gateway sees it.
type api struct {
	*schemas.Type
	root    string   // name of the reply's root
	result  []string // below the root: the object that holds the success field; empty = the root itself
	success string   // name of the success field
	effect  effect   // what the back end does, nil = nothing that shows
}

func newAPI(t *schemas.Type) *api {
	a := &api{Type: t, root: rootName(t), success: "success"}
	if path := t.Reply.Success; len(path) > 0 {
		a.result, a.success = path[:len(path)-1], path[len(path)-1]
	}
	a.effect = effects[t.Method]
	return a
}

func (a *api) isQimen() bool { return a.Encoding == schemas.EncodingQimenXML }

// rootName follows the protocol page, section 4.2: the method without a leading "taobao.", dots as underscores.
// Qimen replies have the root that the API page shows.
func rootName(t *schemas.Type) string {
	if t.Encoding == schemas.EncodingQimenXML {
		return "response"
	}
	return strings.ReplaceAll(strings.TrimPrefix(t.Method, "taobao."), ".", "_") + "_response"
}
