import type { Attributes } from './attributes.ts';
import type { MenuItem, MenuSection } from './overlay/menu.ts';
import type { ShownDesktop } from './shown-desktop.ts';

/** What the settings offer now: only what works with this access, this streamer and this browser. `attempt` is given what browsers may refuse. */
export function settingsMenu(
  desktop: ShownDesktop,
  attributes: Attributes,
  attempt: (done: Promise<void>) => void,
): readonly MenuSection[] {
  const { client, media, microphone } = desktop;
  const isLive = desktop.state.name === 'live';
  const on = (label: string, isOn: boolean, act: () => void): MenuItem => ({ kind: 'switch', label, isOn, act });
  const resize = on('Resize the desktop to fit', attributes.isResizing, () => attributes.toggleResizing());
  const pictureInPicture = on('Picture in picture', media.isPictureInPicture, () =>
    attempt(media.togglePictureInPicture()),
  );
  const share = on('Microphone', microphone.isOn, () => attempt(desktop.toggleMicrophone()));
  return [
    { title: 'Quality', items: isLive ? qualities(desktop) : [] },
    {
      title: 'Picture',
      items: [
        on('Fit to the window', attributes.scaling === 'fit', () => attributes.toggleScaling()),
        ...(client?.mayResize === true ? [resize] : []),
        ...(media.canLeaveThePage ? [pictureInPicture] : []),
        on('Statistics', attributes.isStatsShown, () => attributes.toggleStats()),
      ],
    },
    { title: 'Sharing', items: isLive && client?.mayShareMedia === true ? [share] : [] },
  ];
}

/** What the streamer says that it does counts, not what was asked of it: it may have no way to choose by itself. */
function qualities(desktop: ShownDesktop): MenuItem[] {
  const videos = desktop.client?.videos ?? [];
  if (videos.length < 2) return [];
  const video = desktop.client?.stream.video;
  const isAuto = video?.isAuto === true;
  return [
    {
      kind: 'choice',
      label: isAuto ? `Automatic (${video.id})` : 'Automatic',
      isOn: isAuto,
      act: () => desktop.client?.stream.choose({ kind: 'auto' }),
    },
    ...videos.map((id): MenuItem => ({
      kind: 'choice',
      label: id,
      isOn: !isAuto && video?.id === id,
      act: () => desktop.client?.stream.choose({ kind: 'exact', id }),
    })),
  ];
}
