import { findMembers, membersOf, type JsonEdit } from './json-edit.ts';

/** Whose container it is: of several machines that use one daemon. */
export const OWNER_LABEL = 'nekogate.docker-proxy.owner';
/** The ports that were asked for, as `Asked`. */
export const ASKED_LABEL = 'nekogate.docker-proxy.asked';
/** The files that were asked for, as `Carried`. */
export const FILES_LABEL = 'nekogate.docker-proxy.files';

const LABELS: readonly string[] = [OWNER_LABEL, ASKED_LABEL, FILES_LABEL];

/** Images keep the labels of the container that they are made of; an empty one says that there is nothing to look after. */
export const COMMIT_CHANGES = LABELS.map((label) => `LABEL ${label}=""`);

export function isOurs(label: string): boolean {
  return LABELS.includes(label);
}

/** Adds labels to the body of POST /containers/create. */
export function addLabels(edit: JsonEdit, labels: Record<string, string>): void {
  const node = findMembers(edit.root, 'Labels').at(-1);
  if (node === undefined) edit.add(edit.root, 'Labels', labels);
  else if (node.type !== 'object' || membersOf(node).length === 0) edit.replace(node, labels);
  else for (const [key, value] of Object.entries(labels)) edit.add(node, key, value);
}
