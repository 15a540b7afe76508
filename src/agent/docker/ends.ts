import type { ContainerFacts } from './replies.ts';

/** How a container ended, in words; as exit codes are read in a shell, 128 and more is a signal. */
export function describeEnd(
  facts: ContainerFacts | undefined,
  memoryMb: number,
): { code: 'CONTAINER_LOST' | 'OUT_OF_MEMORY'; message: string } {
  if (!facts) return { code: 'CONTAINER_LOST', message: "the session's container was removed by somebody else" };
  if (facts.isOutOfMemory)
    return {
      code: 'OUT_OF_MEMORY',
      message: `the session used more than its ${memoryMb} MiB of memory and was ended by the kernel; give it more, or less to do`,
    };
  const signal = facts.exitCode > 128 ? ` (signal ${facts.exitCode - 128})` : '';
  const error = facts.error === '' ? '' : `: ${facts.error}`;
  return {
    code: 'CONTAINER_LOST',
    message: `the session's container exited with code ${facts.exitCode}${signal}${error}`,
  };
}
