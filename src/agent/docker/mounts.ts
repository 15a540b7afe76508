import { existsSync, lstatSync, realpathSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { GatewayError } from '../../errors.ts';
import type { SessionSpec } from '../../protocol/session.ts';

/** A folder of this host that sessions may have parts of, as its operator declared it. */
export interface MountRoot {
  name: string;
  path: string;
  isWritable: boolean;
}

/** As it goes to Docker. Not recursive: what else is mounted below would stay writable on older kernels. */
export interface Bind {
  Type: 'bind';
  Source: string;
  Target: string;
  ReadOnly: boolean;
  BindOptions: { Propagation: 'rprivate'; NonRecursive: true };
}

/** What no root may be, lie in or contain: the kernel's own, the host's settings, and where daemons have their sockets and data. */
const NEVER = ['/proc', '/sys', '/dev', '/etc', '/boot', '/run', '/var/lib/docker', '/var/lib/containerd'];

/**
 * The declared roots with their real paths; `others` are further places that no session may see.
 * @throws GatewayError BAD_REQUEST for one that isn't there, is declared twice, or must never be a root
 */
export function openMountRoots(declared: readonly MountRoot[], others: readonly string[]): MountRoot[] {
  const never = [...NEVER, ...others].flatMap((path) => (existsSync(path) ? [path, realpathSync(path)] : [path]));
  const names = new Set<string>();
  return declared.map(({ name, path: given, isWritable }) => {
    const refuse = (why: string): GatewayError =>
      new GatewayError('BAD_REQUEST', `--mount-root ${name}=${given} ${why}`);
    if (names.has(name)) throw refuse('has the name of another one');
    names.add(name);
    if (!isAbsolute(given)) throw refuse('is not an absolute path');
    if (!isFolder(given)) throw refuse('is not a folder of this host');
    const path = realpathSync(given);
    const taboo = never.find((each) => isWithin(path, each) || isWithin(each, path));
    if (taboo !== undefined) throw refuse(`can't be shared with sessions, because of ${taboo}`);
    return { name, path, isWritable };
  });
}

/** What a session asks for, by the roots that there are. @throws GatewayError POLICY_REFUSED */
export function bindsOf(roots: readonly MountRoot[], mounts: SessionSpec['mounts']): Bind[] {
  return mounts.map(({ root: name, path = '', target, readOnly }) => {
    const root = roots.find((each) => each.name === name);
    const refuse = (why: string): GatewayError =>
      new GatewayError('POLICY_REFUSED', `the mount of ${[name, path].filter((part) => part !== '').join('/')} ${why}`);
    if (!root)
      throw refuse(`is of a root that this host doesn't have; its operator declares it by --mount-root ${name}=…`);
    if (!readOnly && !root.isWritable) throw refuse('would be writable, and its root is read-only');
    const source = join(root.path, path);
    if (!isMountable(roots, source, readOnly)) throw refuse('is no folder in its root, or there is a link on the way');
    return {
      Type: 'bind',
      Source: source,
      Target: target,
      ReadOnly: readOnly,
      BindOptions: { Propagation: 'rprivate', NonRecursive: true },
    };
  });
}

/** Whether it is, right now, a folder in one of the roots with no link on the way to it, and may be had so. */
export function isMountable(roots: readonly MountRoot[], source: string, readOnly: boolean): boolean {
  const isGiven = roots.some(({ path, isWritable }) => isWithin(source, path) && (readOnly || isWritable));
  return isGiven && isFolder(source) && realpathSync(source) === source;
}

function isFolder(path: string): boolean {
  try {
    return lstatSync(realpathSync(path)).isDirectory();
  } catch {
    // ENOENT, EACCES, ELOOP: nothing that could be mounted.
    return false;
  }
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder === '/' ? folder : `${folder}/`);
}
