import { GatewayError } from '../../errors.ts';
import type { Engine } from '../engine.ts';
import { addLabels, ASKED_LABEL, OWNER_LABEL } from '../labels.ts';
import { Asked, wishesOf } from './asked.ts';
import { findMembers, JsonEdit, membersOf, valueOf } from '../json-edit.ts';

/** At the remote: nobody else's way in, and no number that two users could want. */
const REMOTE_BINDING = [{ HostIp: '127.0.0.1', HostPort: '' }];

/**
 * The body of POST /containers/create as the remote daemon gets it: published ports on its 127.0.0.1, ports of its choice, and labels that say
 * what was asked for. A body without ports, or one that the daemon will refuse, stays as it is.
 * @throws GatewayError BAD_REQUEST for what SSH can't carry
 */
export async function rewriteCreate(engine: Engine, owner: string, body: Buffer): Promise<Buffer> {
  const edit = JsonEdit.parse(body);
  if (edit === undefined) return body;
  const hostConfigs = findMembers(edit.root, 'HostConfig');
  const network = hostConfigs
    .flatMap((node) => findMembers(node, 'NetworkMode'))
    .map(valueOf)
    .at(-1);
  // The daemon publishes nothing there, or refuses.
  if (typeof network === 'string' && (network === 'host' || network === 'none' || network.startsWith('container:')))
    return body;
  const bindingNodes = hostConfigs.flatMap((node) => findMembers(node, 'PortBindings'));
  const allNodes = hostConfigs.flatMap((node) => findMembers(node, 'PublishAllPorts'));
  const asked = Asked.safeParse({
    bindings: mergeMaps(bindingNodes.map(valueOf)),
    all: valueOf(allNodes.at(-1)) ?? false,
  });
  if (!asked.success) return body;
  const image = valueOf(findMembers(edit.root, 'Image').at(-1));
  const exposed = findMembers(edit.root, 'ExposedPorts').flatMap((node) => membersOf(node).map(({ key }) => key));
  const published = asked.data.all
    ? [...exposed, ...(typeof image === 'string' ? await engine.exposedPorts(image) : [])]
    : [];
  const wishes = wishesOf(asked.data, published);
  if (wishes === undefined || wishes.length === 0) return body;
  const lost = wishes.find(({ port }) => !port.endsWith('/tcp'));
  if (lost)
    throw new GatewayError(
      'BAD_REQUEST',
      `${lost.port} can't be published: the docker proxy reaches the remote host over SSH, which carries TCP alone${asked.data.all ? '; publish what you need with -p instead of -P' : ''}`,
    );
  const remote = Object.fromEntries(wishes.map(({ port }) => [port, REMOTE_BINDING]));
  const hostConfig = hostConfigs.at(-1);
  if (hostConfig === undefined) return body;
  // Go's decoder merges maps that come twice.
  for (const node of bindingNodes) edit.replace(node, node === bindingNodes.at(-1) ? remote : {});
  if (bindingNodes.length === 0) edit.add(hostConfig, 'PortBindings', remote);
  for (const node of allNodes) edit.replace(node, false);
  const labels = { [OWNER_LABEL]: owner, [ASKED_LABEL]: JSON.stringify(asked.data) };
  addLabels(edit, labels);
  return edit.toBuffer();
}

function mergeMaps(maps: readonly unknown[]): Record<string, unknown> {
  const merged: Record<string, unknown> = {};
  for (const map of maps)
    if (typeof map === 'object' && map !== null) for (const [port, list] of Object.entries(map)) merged[port] = list;
  return merged;
}
