MAX_GROUPS = 50  # conflicts that are told


def solve(base, req, marks):
    goal = dnf.goal.Goal(base.sack)
    for _, selectors in marks:
        for selector in selectors:
            goal.install(select=selector, optional=False)
    return goal, goal.run(ignore_weak_deps=not req["weak"])


def core(fails, fixed, new, rest):
    """A smallest part of rest that fails together with fixed (QuickXplain); new: fixed has grown."""
    if new and fails(fixed):
        return []
    if len(rest) == 1:
        return rest
    left, right = rest[:len(rest) // 2], rest[len(rest) // 2:]
    second = core(fails, fixed + left, True, right)
    return core(fails, fixed + second, bool(second), left) + second


def lines_of(goal):
    return [line for problem in goal.problem_rules() for line in problem if line != "conflicting requests"]


def reselect(base, req, marks):
    return [(index, selectors(base, req["install"][index])) for index, _ in marks]


def explain(base, req, marks, filters):
    """Why the marks cannot be had together: groups, and whether there may be more of them.

    What is hidden and needed counts as visible once it is found, and has a group for each name, with
    the shortest way to it from any request. Of the rest each group is as small as can be.
    """
    groups, removed, lines, until = [], [], [], time.monotonic() + req["patience"]
    solved = False
    while marks and not (solved or (groups or lines) and time.monotonic() > until):
        goal, solved = solve(base, req, marks)
        hidden = set() if solved else filters.named(lines_of(goal))
        if hidden:
            lines += lines_of(goal)
            filters.lift(hidden)
            marks = reselect(base, req, marks)
        elif not solved:
            group = core(lambda part: not solve(base, req, part)[1], [], False, marks)
            groups.append({"items": sorted(i for i, _ in group), "lines": lines_of(solve(base, req, group)[0]), "hidden": {}})
            removed.append(group)
            marks = [m for m in marks if m not in group]
    solved = solved or not marks
    if lines:
        parts = [marks, *([m] for group in removed if len(group) > 1 for m in group)]
        found = needed(base, req, filters, parts)
        filters.restore()
        for group, of in zip(groups, removed):  # which may need hidden packages and not be had with them either
            for why, name in sorted(filters.named(lines_of(solve(base, req, reselect(base, req, of))[0]))):
                if (why, name) not in found:
                    group["hidden"].setdefault(why, []).append(name)
        for (why, name), group in found.items():
            nevras = {str(p) for p in filters.whole[why].filter(name=name)}
            group["lines"] = unique(line for line in lines if nevras & set(line.split()))
        groups = [*found.values(), *groups]
    if not solved and not groups:
        groups = [{"items": [index for index, _ in marks], "lines": unique(lines), "hidden": {}}]
    return groups[:MAX_GROUPS], len(groups) > MAX_GROUPS or not solved


def needed(base, req, filters, parts):
    """The hidden packages that parts of the request take when they may, and the shortest way to each:
    {(why, name): group}. Nothing is needed that is only recommended."""
    groups = {}
    for marks in parts:
        goal, solved = solve(base, {**req, "weak": False}, marks)
        if not solved or not marks:
            continue
        graph = Graph(base, goal.list_installs(), False)
        starts = graph.starts(marks)
        for why, hidden in filters.whole.items():
            for name in sorted({p.name for p in graph.query.intersection(hidden)}):
                goals = set(graph.query.filter(name=name))
                links = graph.chain(starts, goals)
                if links and (why, name) not in groups:
                    users = graph.users(goals)
                    also = sorted({index for index, pkg in starts if pkg in users} - {links[0]["index"]})
                    groups[why, name] = {"items": [links[0]["index"]], "hidden": {why: [name]},
                                         "needed": [{"why": why, "name": name, "links": links, "also": also}]}
    return dict(sorted(groups.items(), key=lambda g: (len(g[1]["needed"][0]["links"]), g[0])))


def unique(lines):
    return list(dict.fromkeys(lines))
