import type { Launcher } from './launcher.ts';
import { openCommandOf, targetOf } from './opener.ts';
import type { ToolHandlers, ToolSite } from './tool.ts';

/** What opens a file may fail a moment after it was started; then the caller is told. */
const OPENS_MS = 1000;

export function launchTools(site: ToolSite, launcher: Launcher): Pick<ToolHandlers, 'launch' | 'open'> {
  return {
    launch: ({ input: { command, waitMs }, signal }) => launcher.launch(command, { waitMs, endsWait: false, signal }),
    open: async ({ input: { target, waitMs }, signal }) => {
      const command = openCommandOf(await targetOf(target, site.environment.folder.home), site);
      return await launcher.launch(command, { waitMs: Math.max(waitMs, OPENS_MS), endsWait: true, signal });
    },
  };
}
