import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Child } from '../process/child.ts';
import { displayEnvironment, type DesktopEnvironment } from './environment.ts';
import type { Part } from './keeper.ts';

// One desktop and no menus: openbox's own root menu starts terminals. Windows open maximized, since most sessions show one program.
const CONFIGURATION = `<?xml version="1.0" encoding="UTF-8"?>
<openbox_config xmlns="http://openbox.org/3.4/rc">
  <focus><focusNew>yes</focusNew><followMouse>no</followMouse></focus>
  <placement><policy>Smart</policy></placement>
  <theme><name>Clearlooks</name><titleLayout>LIMC</titleLayout></theme>
  <desktops><number>1</number><popupTime>0</popupTime></desktops>
  <keyboard>
    <keybind key="A-Tab"><action name="NextWindow"/></keybind>
    <keybind key="A-F4"><action name="Close"/></keybind>
  </keyboard>
  <mouse>
    <dragThreshold>8</dragThreshold>
    <context name="Client"><mousebind button="Left" action="Press"><action name="Focus"/><action name="Raise"/></mousebind></context>
    <context name="Titlebar">
      <mousebind button="Left" action="Press"><action name="Focus"/><action name="Raise"/></mousebind>
      <mousebind button="Left" action="Drag"><action name="Move"/></mousebind>
      <mousebind button="Left" action="DoubleClick"><action name="ToggleMaximize"/></mousebind>
    </context>
    <context name="Maximize"><mousebind button="Left" action="Click"><action name="ToggleMaximize"/></mousebind></context>
    <context name="Iconify"><mousebind button="Left" action="Click"><action name="Iconify"/></mousebind></context>
    <context name="Close"><mousebind button="Left" action="Click"><action name="Close"/></mousebind></context>
    <context name="Bottom Left Right Top TLCorner TRCorner BLCorner BRCorner">
      <mousebind button="Left" action="Drag"><action name="Resize"/></mousebind>
    </context>
  </mouse>
  <applications><application type="normal"><maximized>yes</maximized></application></applications>
</openbox_config>
`;

/** What openbox has written for it once it manages windows. */
const READY = 'managing';

export function windowManager(file: string, environment: DesktopEnvironment, display: string): Part {
  const configuration = join(environment.folder.run, 'openbox.xml');
  return {
    name: 'the window manager',
    start: async (signal) => {
      await writeFile(configuration, CONFIGURATION, { mode: 0o600 });
      const args = ['--sm-disable', '--config-file', configuration, '--startup', `echo ${READY}`];
      const env = displayEnvironment(environment, display);
      return Child.start(
        { name: 'the window manager', file, args, env, cwd: environment.folder.run },
        async (child, untilExit) => {
          await child.untilLine('stdout', new RegExp(`^${READY}$`), untilExit);
        },
        signal,
      );
    },
  };
}
