import type { z } from 'zod';
import { Carried } from './files/carried.ts';
import { findMembers, JsonEdit, membersOf, valueOf } from './json-edit.ts';
import { ASKED_LABEL, FILES_LABEL, isOurs, OWNER_LABEL } from './labels.ts';
import { Asked } from './ports/asked.ts';
import type { Forwards } from './ports/forwards.ts';

type JsonNode = JsonEdit['root'];

export interface AnswerDeps {
  forwards: Pick<Forwards, 'shown'>;
  owner: string;
}

/** The answer of GET /containers/{id}/json with what the user asked for in place of what the remote daemon was told. */
export function showInspect({ forwards, owner }: AnswerDeps, body: Buffer): Buffer {
  const edit = JsonEdit.parse(body);
  const labels = findMembers(findMembers(edit?.root, 'Config')[0], 'Labels')[0];
  if (edit === undefined || labels === undefined || !isOwned(labels, owner)) return body;
  edit.remove(labels, isOurs);
  const [hostConfig] = findMembers(edit.root, 'HostConfig');
  const carried = readLabel(labels, FILES_LABEL, Carried);
  if (carried) {
    for (const key of ['Binds', 'Mounts']) showSources(edit, findMembers(hostConfig, key)[0], carried);
    showSources(edit, findMembers(edit.root, 'Mounts')[0], carried);
  }
  const asked = readLabel(labels, ASKED_LABEL, Asked);
  if (asked === undefined) return edit.toBuffer();
  const id = String(valueOf(findMembers(edit.root, 'Id')[0]));
  for (const node of findMembers(hostConfig, 'PortBindings')) edit.replace(node, asked.bindings);
  for (const node of findMembers(hostConfig, 'PublishAllPorts')) edit.replace(node, asked.all);
  const [ports] = findMembers(findMembers(edit.root, 'NetworkSettings')[0], 'Ports');
  for (const { key, value } of membersOf(ports))
    if (value.type === 'array') {
      const shown = forwards.shown(id, key);
      edit.replace(value, shown.length > 0 ? shown : null);
    }
  return edit.toBuffer();
}

/** The answer of GET /containers/json, likewise. */
export function showList({ forwards, owner }: AnswerDeps, body: Buffer): Buffer {
  const edit = JsonEdit.parse(body);
  if (edit?.root.type !== 'array') return body;
  for (const container of edit.root.children ?? []) {
    const labels = findMembers(container, 'Labels')[0];
    if (labels === undefined || !isOwned(labels, owner)) continue;
    edit.remove(labels, isOurs);
    const carried = readLabel(labels, FILES_LABEL, Carried);
    if (carried) showSources(edit, findMembers(container, 'Mounts')[0], carried);
    if (readLabel(labels, ASKED_LABEL, Asked) === undefined) continue;
    const id = String(valueOf(findMembers(container, 'Id')[0]));
    for (const ports of findMembers(container, 'Ports')) edit.replace(ports, showPorts(ports, id, forwards));
  }
  return edit.toBuffer();
}

/** Of a list of `source:target` or of objects with a Source. */
function showSources(edit: JsonEdit, list: JsonNode | undefined, carried: Carried): void {
  for (const node of list?.children ?? []) {
    const source = node.type === 'object' ? findMembers(node, 'Source')[0] : node;
    const text = valueOf(source);
    if (source === undefined || typeof text !== 'string') continue;
    const found = carried.find(({ remote }) => text === remote || (source === node && text.startsWith(`${remote}:`)));
    if (found) edit.replace(source, found.asked + text.slice(found.remote.length));
  }
}

function showPorts(ports: JsonNode, id: string, forwards: Pick<Forwards, 'shown'>): unknown[] {
  const seen = new Set<string>();
  return (ports.children ?? []).flatMap((node) => {
    const PrivatePort = valueOf(findMembers(node, 'PrivatePort')[0]);
    const Type = valueOf(findMembers(node, 'Type')[0]);
    if (findMembers(node, 'PublicPort').length === 0) return [valueOf(node)];
    const port = `${String(PrivatePort)}/${String(Type)}`;
    if (seen.has(port)) return [];
    seen.add(port);
    const shown = forwards.shown(id, port);
    if (shown.length === 0) return [{ PrivatePort, Type }];
    return shown.map(({ HostIp, HostPort }) => ({ IP: HostIp, PrivatePort, PublicPort: Number(HostPort), Type }));
  });
}

function isOwned(labels: JsonNode, owner: string): boolean {
  return memberOf(labels, OWNER_LABEL) === owner;
}

/** @returns undefined when the label isn't there, or wasn't written by us */
function readLabel<T>(labels: JsonNode, label: string, schema: z.ZodType<T>): T | undefined {
  const text = memberOf(labels, label);
  if (typeof text !== 'string') return undefined;
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    // Inherited from an image.
    return undefined;
  }
}

function memberOf(object: JsonNode, key: string): unknown {
  return valueOf(membersOf(object).find((member) => member.key === key)?.value);
}
