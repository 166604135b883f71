// Directed graphs between names: grouping, cycles, and the few edges that imply all others.

/** From each node to those that it leads to. */
export type Graph = ReadonlyMap<string, ReadonlySet<string>>;

/** The same graph between what `groupOf` puts the nodes into; what stays within one group is left out. */
export function grouped(graph: Graph, groupOf: (node: string) => string): Graph {
  const groups = new Map<string, Set<string>>();
  for (const [from, targets] of graph) {
    const group = groupOf(from);
    const ofGroup = groups.get(group) ?? new Set();
    groups.set(group, ofGroup);
    for (const to of targets) if (groupOf(to) !== group) ofGroup.add(groupOf(to));
  }
  return groups;
}

/** Enough cycles that removing the last edge of each leaves none. The first node is repeated at the end. */
export function cyclesIn(graph: Graph): string[][] {
  const rest = new Map([...graph].map(([from, targets]) => [from, new Set(targets)]));
  const cycles: string[][] = [];
  for (;;) {
    removeDeadEnds(rest);
    const start = rest.keys().next().value;
    if (start === undefined) return cycles;
    const cycle = cycleFrom(start, rest);
    cycles.push(cycle);
    const [last, first] = cycle.slice(-2);
    if (last !== undefined && first !== undefined) rest.get(last)?.delete(first);
  }
}

/** Leaves only nodes that lead to others that are left. */
function removeDeadEnds(graph: Map<string, Set<string>>): void {
  for (let removed = true; removed; ) {
    removed = false;
    for (const [node, targets] of graph) {
      for (const to of targets) if (!graph.has(to)) targets.delete(to);
      if (targets.size === 0) removed = graph.delete(node);
    }
  }
}

function cycleFrom(start: string, graphWithoutDeadEnds: Graph): string[] {
  const path: string[] = [];
  for (let at: string | undefined = start; at !== undefined; ) {
    const seen = path.indexOf(at);
    path.push(at);
    if (seen >= 0) return path.slice(seen);
    at = graphWithoutDeadEnds.get(at)?.values().next().value;
  }
  throw new Error(`${path.at(-1)} is a dead end`);
}

/** The acyclic graph without the edges that a longer way implies. */
export function reduced(graph: Graph): Graph {
  const reach = (from: string): ReadonlySet<string> => {
    const reached = new Set<string>();
    const go = (node: string) => {
      for (const to of graph.get(node) ?? []) {
        if (reached.has(to)) continue;
        reached.add(to);
        go(to);
      }
    };
    go(from);
    return reached;
  };
  return new Map(
    [...graph].map(([from, targets]) => {
      const implied = new Set([...targets].flatMap((to) => [...reach(to)]));
      return [from, new Set([...targets].filter((to) => !implied.has(to)))];
    }),
  );
}
