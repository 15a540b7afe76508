// The package's entry: a client of the HTTP API, on fetch alone, for Node and browsers.
export { connect, type Nekogate, type OpenedDesktop } from './connect.ts';
export { ActionFailed, NekogateError, type NekogateErrorCode } from './errors.ts';
export type { Access, GrantedAccess, Login, Session } from '../protocol/api.ts';
export type { Role, SessionState } from '../protocol/session.ts';
export type { Accesses, GrantOptions, Logins } from './access.ts';
export type { ActionResult, ComputerAnswer as Answer } from '../protocol/computer.ts';
export type { Action, ActOptions, Desktop, Dialect, Screenshot, ScreenshotOptions } from './desktop.ts';
export type { DesktopWindow, FileEntry, Launched, Selection } from '../protocol/tools.ts';
export type { Accessibility, ActOnElementOptions, TreeOptions } from './accessibility.ts';
export type { Element, ElementFacts, ElementTree } from '../protocol/accessibility.ts';
export type { Recording } from '../protocol/recordings.ts';
export type { Recordings, RecordOptions } from './recordings.ts';
export type { Clipboard, ClipboardOptions } from './clipboard.ts';
export type { Files } from './files.ts';
export type { CallOptions, Connection, Content } from './http.ts';
export type { ListOptions, SessionOrder, SessionPage, Sessions, StartOptions } from './sessions.ts';
export type { LaunchOptions, Windows } from './windows.ts';
