package mapping

import (
	"strings"
	"text/template"
	"text/template/parse"
)

// The functions that instrumenting puts into a tree. A template that names one gets
// the error of an unknown function: the names are on no list.
const (
	fnStep    = "__step"
	fnEnter   = "__enter"
	fnLeave   = "__leave"
	fnDeep    = "__deep"
	fnShallow = "__shallow"
	fnFail    = "__fail"
)

// deepestNesting bounds actions within actions.
const deepestNesting = 1000

// instrument rewrites one parse tree so that running it is paid for:
//
//	{{range X}}body{{end}}   becomes  {{range X}}{{step}}body{{end}}
//	{{define "x"}}body{{end}} becomes {{enter}}body{{leave}}
//	{{f A (B)}}              becomes  {{f (deep A) (deep (B)) | deep}}
//	{{A | f}}                becomes  {{A | deep | f | deep}}
//
// deep measures a value by its whole size; a function that does not look into its
// arguments gets shallow. Literals are not wrapped: they cost by their length, once
// per turn of the loop that they are in.
type instrument struct {
	engine    *engine
	public    bool
	tree      *parse.Tree
	functions template.FuncMap
	err       error
}

func (i *instrument) template() error {
	root := i.tree.Root
	if root == nil {
		return nil
	}
	i.functions[fnStep], i.functions[fnEnter], i.functions[fnLeave] = i.engine.step, i.engine.enter, i.engine.leave
	i.functions[fnDeep], i.functions[fnShallow] = i.engine.budget.deep, i.engine.budget.shallow
	enter, leave := i.action(fnEnter, i.list(root, 0)), i.action(fnLeave, 0)
	root.Nodes = append(append([]parse.Node{enter}, root.Nodes...), leave)
	return i.err
}

func (e *engine) step(cost int) (string, error) { return "", e.budget.spend(stepWork + cost) }

func (e *engine) enter(cost int) (string, error) {
	if e.budget.calls++; e.budget.calls > deepestCall {
		return "", errCalls
	}
	return "", e.budget.spend(callWork + cost)
}

func (e *engine) leave(int) string {
	e.budget.calls--
	return ""
}

// list instruments a list and returns the size of its text, for what a turn through
// it costs.
func (i *instrument) list(list *parse.ListNode, depth int) (size int) {
	if list == nil || i.err != nil {
		return 0
	}
	if depth > deepestNesting {
		i.err = faultf("", "could not parse template: its actions are nested more than %d deep", deepestNesting)
		return 0
	}
	for _, node := range list.Nodes {
		switch n := node.(type) {
		case *parse.TextNode:
			size += len(n.Text)
		case *parse.ActionNode:
			size += len(n.Pipe.String())
			i.pipe(n.Pipe)
			if len(n.Pipe.Decl) == 0 {
				n.Pipe.Cmds = append(n.Pipe.Cmds, i.command(fnDeep, n.Pos))
			}
		case *parse.IfNode:
			size += i.branch(&n.BranchNode, depth)
		case *parse.WithNode:
			size += i.branch(&n.BranchNode, depth)
		case *parse.RangeNode:
			size += i.loop(n, depth)
		case *parse.TemplateNode:
			i.pipe(n.Pipe)
		}
	}
	return size
}

func (i *instrument) branch(n *parse.BranchNode, depth int) (size int) {
	size = len(n.Pipe.String())
	i.pipe(n.Pipe)
	return size + i.list(n.List, depth+1) + i.list(n.ElseList, depth+1)
}

func (i *instrument) loop(n *parse.RangeNode, depth int) (size int) {
	size = len(n.Pipe.String())
	i.pipe(n.Pipe)
	turn := i.list(n.List, depth+1)
	n.List.Nodes = append([]parse.Node{i.action(fnStep, turn)}, n.List.Nodes...)
	return size + turn + i.list(n.ElseList, depth+1)
}

func (i *instrument) pipe(pipe *parse.PipeNode) {
	if pipe == nil {
		return
	}
	var cmds []*parse.CommandNode
	for index, cmd := range pipe.Cmds {
		charge := i.commandArgs(cmd)
		if index > 0 {
			cmds = append(cmds, i.command(charge, cmd.Pos))
		}
		cmds = append(cmds, cmd)
	}
	pipe.Cmds = cmds
}

// commandArgs wraps the arguments of a command and says how its last argument is to
// be charged when it comes from a pipeline.
func (i *instrument) commandArgs(cmd *parse.CommandNode) (charge string) {
	charge = fnDeep
	first := cmd.Args[0]
	if f, ok := first.(*parse.IdentifierNode); ok {
		charge = i.use(f)
		i.literalFail(cmd, f)
	} else {
		i.inner(first)
	}
	for index, arg := range cmd.Args[1:] {
		if f, ok := arg.(*parse.IdentifierNode); ok {
			i.use(f)
		}
		i.inner(arg)
		switch arg.(type) {
		case *parse.NumberNode, *parse.StringNode, *parse.BoolNode, *parse.NilNode:
			continue
		}
		wrapped := i.command(charge, arg.Position())
		wrapped.Args = append(wrapped.Args, arg)
		cmd.Args[index+1] = &parse.PipeNode{
			NodeType: parse.NodePipe, Pos: arg.Position(), Cmds: []*parse.CommandNode{wrapped},
		}
	}
	return charge
}

// inner instruments what is nested in an operand.
func (i *instrument) inner(node parse.Node) {
	switch n := node.(type) {
	case *parse.PipeNode:
		i.pipe(n)
	case *parse.ChainNode:
		i.inner(n.Node)
	case *parse.IdentifierNode:
		i.use(n)
	}
}

// use makes a function available, and says how its arguments are charged.
func (i *instrument) use(f *parse.IdentifierNode) (charge string) {
	function, ok := i.engine.function(f.Ident)
	if !ok && !builtin(f.Ident) {
		if i.err == nil {
			i.err = errUnknown(f.Ident, i.line(f), i.public)
		}
		return fnDeep
	}
	if ok {
		i.functions[f.Ident] = function
	}
	if volatile(f.Ident) {
		i.engine.volatile = true
	}
	if looksNoDeeper(f.Ident) {
		return fnShallow
	}
	return fnDeep
}

// literalFail lets {{fail "text"}} say its text: it is the template's own. A message
// that is computed may hold data and is withheld.
func (i *instrument) literalFail(cmd *parse.CommandNode, f *parse.IdentifierNode) {
	if f.Ident != "fail" || len(cmd.Args) != 2 || !i.public {
		return
	}
	if _, ok := cmd.Args[1].(*parse.StringNode); ok {
		i.functions[fnFail] = failLiteral
		f.Ident = fnFail
	}
}

func failLiteral(message string) (string, error) {
	return "", faultf("", "the template failed: %s", name(message))
}

// action is {{function cost}}; both print nothing.
func (i *instrument) action(function string, cost int) parse.Node {
	cmd := i.command(function, i.tree.Root.Pos)
	cmd.Args = append(cmd.Args, &parse.NumberNode{
		NodeType: parse.NodeNumber, Pos: i.tree.Root.Pos, IsInt: true, Int64: int64(cost), Text: "0",
	})
	return &parse.ActionNode{NodeType: parse.NodeAction, Pos: i.tree.Root.Pos, Pipe: &parse.PipeNode{
		NodeType: parse.NodePipe, Pos: i.tree.Root.Pos, Cmds: []*parse.CommandNode{cmd},
	}}
}

func (i *instrument) command(function string, pos parse.Pos) *parse.CommandNode {
	ident := parse.NewIdentifier(function).SetPos(pos).SetTree(i.tree)
	return &parse.CommandNode{NodeType: parse.NodeCommand, Pos: pos, Args: []parse.Node{ident}}
}

func (i *instrument) line(node parse.Node) int {
	location, _ := i.tree.ErrorContext(node)
	_, rest, _ := strings.Cut(location, ":")
	return leadingInt(rest)
}
