import type { Node } from 'jsonc-parser';
import { findMembers, JsonEdit, valueOf } from '../json-edit.ts';
import { addLabels, FILES_LABEL, OWNER_LABEL } from '../labels.ts';
import type { Carried } from './carried.ts';
import { carrySource, type SourceDeps } from './sources.ts';

/**
 * The body of POST /containers/create with sources of bind mounts that mean this machine replaced by their copies on the remote host, and labels
 * that say so. Named volumes stay, and so does a body that the daemon will refuse.
 * @throws GatewayError for what can't be carried
 */
export async function rewriteFiles(deps: SourceDeps, body: Buffer): Promise<Buffer> {
  const edit = JsonEdit.parse(body);
  if (edit === undefined) return body;
  const carried: Carried = [];
  const hostConfigs = findMembers(edit.root, 'HostConfig');
  for (const node of elementsOf(hostConfigs, 'Binds')) {
    const bind = splitBind(valueOf(node));
    if (bind === undefined) continue;
    const found = await carrySource(deps, bind.source, { isWritable: !bind.isReadOnly, isMade: true });
    if (found === undefined) continue;
    carried.push(found);
    edit.replace(node, `${found.remote}:${bind.rest}`);
  }
  for (const node of elementsOf(hostConfigs, 'Mounts')) {
    const [source] = findMembers(node, 'Source');
    const path = valueOf(source);
    if (valueOf(findMembers(node, 'Type').at(-1)) !== 'bind' || source === undefined || !isPath(path)) continue;
    const isWritable = valueOf(findMembers(node, 'ReadOnly').at(-1)) !== true;
    const isMade = valueOf(findMembers(findMembers(node, 'BindOptions').at(-1), 'CreateMountpoint').at(-1)) === true;
    const found = await carrySource(deps, path, { isWritable, isMade });
    if (found === undefined) continue;
    carried.push(found);
    edit.replace(source, found.remote);
  }
  if (carried.length === 0) return body;
  addLabels(edit, { [OWNER_LABEL]: deps.owner, [FILES_LABEL]: JSON.stringify(carried) });
  return edit.toBuffer();
}

function elementsOf(hostConfigs: readonly Node[], key: string): Node[] {
  return hostConfigs
    .flatMap((node) => findMembers(node, key))
    .flatMap((node) => (node.type === 'array' ? (node.children ?? []) : []));
}

/** `source:target[:options]`; undefined for volumes, named or not. */
function splitBind(bind: unknown): { source: string; rest: string; isReadOnly: boolean } | undefined {
  const match = typeof bind === 'string' ? /^(\/[^:]*):(.+)$/s.exec(bind) : null;
  if (match?.[1] === undefined || match[2] === undefined) return undefined;
  const options = match[2].split(':')[1] ?? '';
  return { source: match[1], rest: match[2], isReadOnly: options.split(',').includes('ro') };
}

function isPath(source: unknown): source is string {
  return typeof source === 'string' && source.startsWith('/');
}
