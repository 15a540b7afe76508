// What a session's desktop does for programs beside pixels. The gateway asks by a tunnel, as http-tunnel.ts has it; the agent passes that on to
// the HTTP service of the session's supervisor: `POST /TOOL`, the input as a JSON body, or where the body is bytes as `?input=JSON`.
import { z } from 'zod';
import { ActedElement, ElementAction, ElementTree, TreeQuery } from './accessibility.ts';
import { Recording, RecordingBytes, RecordingId, RecordingList, RecordingOrder } from './recordings.ts';

/** A path with its input; a longer one is refused with BAD_FRAME. */
const PATH_MAX_LENGTH = 32_768;
/** Windows of one desktop; more are left out. */
export const WINDOWS_MAX = 500;
/** Of a window's title and class; longer ones are cut. */
export const WINDOW_TEXT_MAX = 1024;
/** Characters of a clipboard's text: each has a byte or more, and a longer text than a MiB fails as MESSAGE_TOO_BIG. */
const CLIPBOARD_MAX_LENGTH = 1_048_576;
/** Of one folder; more are not listed, and the answer says so. */
export const FOLDER_ENTRIES_MAX = 10_000;
/** How long a launch may wait for its window. */
const LAUNCH_WAIT_MAX_MS = 60_000;
/** A tool's input in JSON, in bytes; a longer one is refused with MESSAGE_TOO_BIG. A clipboard's text has room in it, whatever its characters. */
export const TOOL_INPUT_MAX_BYTES = 8 * 1024 * 1024;
/** A tool's answer in JSON, in bytes; a longer one fails as TOOLS_FAILED. */
export const TOOL_ANSWER_MAX_BYTES = 8 * 1024 * 1024;

/** What the agent is asked to pass on: a tool by its name, and its input where the body is bytes. */
export const ToolHead = z.object({
  path: z
    .string()
    .max(PATH_MAX_LENGTH)
    .regex(/^\/[a-z][a-zA-Z]{0,63}(?:\?input=[\w.~%!'()*-]*)?$/),
});
export type ToolHead = z.infer<typeof ToolHead>;

/** X has 16 bits for each, with a sign for places. */
const Coordinate = z.int().min(-32_768).max(32_767);
const Extent = z.int().min(1).max(32_767);

/** A window's id: X's own, as a decimal number. */
export const WindowId = z.string().regex(/^[1-9]\d{0,9}$/, 'is no id of a window');

export const DesktopWindow = z.object({
  id: WindowId,
  title: z.string().max(WINDOW_TEXT_MAX),
  class: z.string().max(WINDOW_TEXT_MAX).describe('Of its program, as WM_CLASS has it: like Chromium or XTerm'),
  pid: z.int().nullable().describe("Its program's process in the session, where the program says"),
  x: z.int().describe("Pixels of the screen, of the window's content without its frame"),
  y: z.int(),
  width: z.int(),
  height: z.int(),
  isActive: z.boolean().describe('Whether keys go to it'),
});
export type DesktopWindow = z.infer<typeof DesktopWindow>;

export const WindowList = z.object({
  windows: z.array(DesktopWindow).max(WINDOWS_MAX).describe('The oldest first; minimized ones too'),
});
export const FocusedWindow = z.object({ window: DesktopWindow.nullable().describe('Null where keys go to none') });

export const WindowPlace = z.strictObject({ x: Coordinate, y: Coordinate });
export const WindowSize = z.strictObject({ width: Extent, height: Extent });
export const ClosedWindow = z.object({
  closed: z.boolean().describe('False where it is still there after two seconds: its program may be asking its user'),
});

export interface ToolContract {
  input: z.ZodType;
  /** What comes beside the input; nothing where left out. */
  body?: 'bytes';
  /** JSON of this shape, or bytes. */
  reply: z.ZodType | 'bytes';
}

/** No string of a program's has a zero byte. */
const Word = z
  .string()
  .min(1)
  .max(4096)
  .refine((text) => !text.includes('\0'), 'holds a zero byte');

const WaitMs = z.int().min(0).max(LAUNCH_WAIT_MAX_MS).default(0);

export const LaunchOrder = z.strictObject({
  command: z.array(Word).min(1).max(64).describe('The program, by name or whole path, and its arguments; no shell'),
  waitMs: WaitMs.describe('How long to wait for its window'),
});
export const OpenOrder = z.strictObject({
  target: Word.describe('A web address, or a file or folder of the home, as its path there'),
  waitMs: WaitMs.describe('How long to wait for a new window; one that is there already may show it'),
});
export const Launched = z.object({
  pid: z.int().describe('In the session'),
  window: DesktopWindow.nullable().describe('Null where none was waited for, or none came'),
  exitCode: z.int().nullable().describe('Null while it runs; it may have left the work to another program'),
});
export type Launched = z.infer<typeof Launched>;

export const Selection = z.enum(['clipboard', 'primary']);
export type Selection = z.infer<typeof Selection>;
const SelectionName = Selection.default('clipboard').describe('X has two: what was copied, and what is selected');

export const ClipboardQuery = z.strictObject({ selection: SelectionName });
export const ClipboardText = z.object({
  text: z
    .string()
    .max(CLIPBOARD_MAX_LENGTH)
    .nullable()
    .describe('Null where there is none, for it is empty or a picture'),
});
export const ClipboardOrder = z.strictObject({
  selection: SelectionName,
  text: z.string().max(CLIPBOARD_MAX_LENGTH).describe('At most a MiB in UTF-8'),
});

/** Of a file below the home: its names with slashes between, as they are there. */
export const FilePath = z.string().max(4096);
export const FileEntry = z.object({
  name: z.string().max(255),
  kind: z.enum(['file', 'folder', 'link', 'other']),
  size: z.int().describe('Of a file, in bytes'),
  modifiedAt: z.string().max(32).describe('ISO 8601'),
});
export type FileEntry = z.infer<typeof FileEntry>;
export const FolderList = z.object({
  entries: z.array(FileEntry).max(FOLDER_ENTRIES_MAX).describe('By name'),
  isWhole: z.boolean().describe('False where there are more than are listed'),
});
const OneFile = z.strictObject({ path: FilePath });

const OneWindow = z.strictObject({ id: WindowId });

export const DisplayFacts = z.object({
  display: z
    .string()
    .regex(/^:\d{1,5}$/)
    .describe('As programs of the session have it in DISPLAY'),
});

/** Every tool: what it takes and what it answers. */
export const TOOLS = {
  describeDisplay: { input: z.object({}), reply: DisplayFacts },
  listWindows: { input: z.object({}), reply: WindowList },
  findFocusedWindow: { input: z.object({}), reply: FocusedWindow },
  focusWindow: { input: OneWindow, reply: DesktopWindow },
  moveWindow: { input: OneWindow.extend(WindowPlace.shape), reply: DesktopWindow },
  resizeWindow: { input: OneWindow.extend(WindowSize.shape), reply: DesktopWindow },
  closeWindow: { input: OneWindow, reply: ClosedWindow },
  launch: { input: LaunchOrder, reply: Launched },
  open: { input: OpenOrder, reply: Launched },
  readClipboard: { input: ClipboardQuery, reply: ClipboardText },
  writeClipboard: { input: ClipboardOrder, reply: z.object({}) },
  listFolder: { input: OneFile, reply: FolderList },
  readFile: { input: OneFile, reply: 'bytes' },
  writeFile: { input: OneFile, body: 'bytes', reply: FileEntry },
  removeFile: { input: OneFile, reply: z.object({}) },
  startRecording: { input: RecordingOrder, reply: Recording },
  stopRecording: { input: z.object({ id: RecordingId }), reply: Recording },
  listRecordings: { input: z.object({}), reply: RecordingList },
  getRecording: { input: z.object({ id: RecordingId }), reply: Recording },
  readRecording: { input: RecordingBytes, reply: 'bytes' },
  deleteRecording: { input: z.object({ id: RecordingId }), reply: Recording },
  readElements: { input: TreeQuery, reply: ElementTree },
  actOnElement: { input: ElementAction, reply: ActedElement },
} as const satisfies Record<string, ToolContract>;

export type ToolName = keyof typeof TOOLS;
type Contract<Name extends ToolName> = (typeof TOOLS)[Name];
export type ToolInput<Name extends ToolName> = z.output<Contract<Name>['input']>;
/** Bytes are what the one who asks or answers has them as. */
export type ToolReply<Name extends ToolName, Bytes> = Contract<Name>['reply'] extends z.ZodType
  ? z.output<Contract<Name>['reply']>
  : Bytes;

/** What a tool takes and answers, whichever it is. */
export function contractOf(name: ToolName): ToolContract {
  return TOOLS[name];
}

export function isToolName(name: string): name is ToolName {
  return Object.hasOwn(TOOLS, name);
}
