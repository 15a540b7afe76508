import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import type { Sessions } from '../sdk/index.ts';
import { VERSION } from '../version.ts';
import { addAccessibilityTools } from './accessibility-tools.ts';
import { addComputerTools } from './computer-tools.ts';
import { addDesktopTools } from './desktop-tools.ts';
import type { Desks } from './desks.ts';
import type { Scope } from './scope.ts';
import { addRecordingTools } from './recording-tools.ts';
import { addSessionTools } from './session-tools.ts';
import { toolAdder } from './tool-adder.ts';

export interface McpDeps {
  desks: Desks;
  /** Left out where the token is no administrator's. */
  sessions?: Sessions;
}

/** One client's server; tools that the scope doesn't allow are not there. */
export function createMcpServer({ desks, sessions }: McpDeps, scope: Scope): McpServer {
  const server = new McpServer({ name: 'nekogate', version: VERSION });
  addComputerTools(server, desks, scope);
  const add = toolAdder(server, desks, scope);
  addDesktopTools(add);
  addRecordingTools(add);
  addAccessibilityTools(add);
  if (sessions) addSessionTools(server, { desks, sessions }, scope);
  return server;
}
