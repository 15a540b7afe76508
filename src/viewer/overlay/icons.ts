// Line icons of 24 units, drawn with the text's colour.
const PATHS = {
  control: 'M5 3l6.5 16 2.2-6.8L20.500 10z',
  soundOn: 'M4 9.500v5h3.500L12 18.500v-13L7.500 9.500zM15.500 9a4 4 0 0 1 0 6M18 6.500a7.500 7.500 0 0 1 0 11',
  soundOff: 'M4 9.500v5h3.500L12 18.500v-13L7.500 9.500zM16 9.500l5 5M21 9.500l-5 5',
  enterFullscreen: 'M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5',
  clipboard: 'M9 4.500h6v3H9zM9 6H6v14.500h12V6h-3M9 11.500h6M9 15h6',
  keyboard: 'M3 6.500h18v11H3zM6.500 10v.01M10 10v.01M14 10v.01M17.500 10v.01M7 14h10',
  settings:
    'M4 7.500h9M17 7.500h3M4 16.500h3M11 16.500h9M15 5.500a2 2 0 1 1 0 4 2 2 0 0 1 0-4M9 14.500a2 2 0 1 1 0 4 2 2 0 0 1 0-4',
  leaveFullscreen: 'M9 4v5H4M20 9h-5V4M15 20v-5h5M4 15h5v5',
} as const;

export type IconName = keyof typeof PATHS;

const SVG = 'http://www.w3.org/2000/svg';

export function icon(name: IconName): SVGSVGElement {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', PATHS[name]);
  svg.append(path);
  return svg;
}
