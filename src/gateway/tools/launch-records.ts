import { basename } from 'node:path';
import type { Launched } from '../../protocol/tools.ts';
import type { Audit } from '../audit.ts';
import type { Caller } from '../computer/programs.ts';
import type { AccessRow } from '../store/tables.ts';

/** Who had a desktop start something. */
export interface Launcher {
  access: Pick<AccessRow, 'id' | 'session_id'>;
  caller: Pick<Caller, 'requestId'>;
}

/** Audits a program that was started; not its arguments, which may hold a secret. */
export function recordLaunch(
  audit: Audit,
  { access, caller }: Launcher,
  command: readonly string[],
  { pid }: Pick<Launched, 'pid'>,
): void {
  record(audit, { access, caller }, 'program.launched', { program: basename(command[0] ?? ''), pid });
}

/** Audits what was opened; of an address, where it leads alone: its path and query may hold a secret. */
export function recordOpening(
  audit: Audit,
  { access, caller }: Launcher,
  target: string,
  { pid }: Pick<Launched, 'pid'>,
): void {
  const opened = URL.canParse(target) && new URL(target).origin !== 'null' ? new URL(target).origin : target;
  record(audit, { access, caller }, 'target.opened', { opened, pid });
}

function record(
  audit: Audit,
  { access, caller }: Launcher,
  action: string,
  detail: { [name: string]: string | number },
): void {
  const { requestId } = caller;
  audit.record({ actor: `access:${access.id}`, action, target: `session:${access.session_id}`, detail, requestId });
}
