import type { App } from '../app.ts';
import type { Audit } from '../audit.ts';
import type { Programs } from '../computer/programs.ts';
import { addAccessibilityRoutes } from './accessibility-routes.ts';
import { addClipboardRoutes } from './clipboard-routes.ts';
import { addFileRoutes } from './file-routes.ts';
import { addLaunchRoutes } from './launch-routes.ts';
import { addRecordingRoutes } from './recording-routes.ts';
import type { Tools } from './tools.ts';
import { addWindowRoutes } from './window-routes.ts';

export interface ToolRouteDeps {
  tools: Tools;
  programs: Programs;
  audit: Audit;
}

/** What programs do at a desktop beside pixels. */
export async function addToolRoutes(app: App, deps: ToolRouteDeps): Promise<void> {
  addWindowRoutes(app, deps);
  addLaunchRoutes(app, deps);
  addClipboardRoutes(app, deps);
  addRecordingRoutes(app, deps);
  addAccessibilityRoutes(app, deps);
  await addFileRoutes(app, deps);
}
