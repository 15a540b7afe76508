import { ASKED_LABEL, OWNER_LABEL } from '../engine.ts';
import { Asked } from './asked.ts';
import type { Forwards } from './forwards.ts';
import { findMembers, JsonEdit, membersOf, valueOf } from './json-edit.ts';

type JsonNode = JsonEdit['root'];

export interface AnswerDeps {
  forwards: Pick<Forwards, 'shown'>;
  owner: string;
}

/** The answer of GET /containers/{id}/json with what the user asked for in place of what the remote daemon was told. */
export function showInspect({ forwards, owner }: AnswerDeps, body: Buffer): Buffer {
  const edit = JsonEdit.parse(body);
  const labels = findMembers(findMembers(edit?.root, 'Config')[0], 'Labels')[0];
  const asked = askedOf(labels, owner);
  if (edit === undefined || labels === undefined || asked === undefined) return body;
  const id = String(valueOf(findMembers(edit.root, 'Id')[0]));
  edit.remove(labels, isOurs);
  const [hostConfig] = findMembers(edit.root, 'HostConfig');
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
    if (labels === undefined || askedOf(labels, owner) === undefined) continue;
    edit.remove(labels, isOurs);
    const id = String(valueOf(findMembers(container, 'Id')[0]));
    for (const ports of findMembers(container, 'Ports')) edit.replace(ports, showPorts(ports, id, forwards));
  }
  return edit.toBuffer();
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

function askedOf(labels: JsonNode | undefined, owner: string): Asked | undefined {
  const read = (key: string): unknown => valueOf(membersOf(labels).find((member) => member.key === key)?.value);
  const asked = read(ASKED_LABEL);
  if (read(OWNER_LABEL) !== owner || typeof asked !== 'string') return undefined;
  try {
    return Asked.parse(JSON.parse(asked));
  } catch {
    // Not written by us.
    return undefined;
  }
}

function isOurs(label: string): boolean {
  return label === OWNER_LABEL || label === ASKED_LABEL;
}
