/** The volume in which a home is kept. */
export function homeVolumeOf(home: string): string {
  return `nekogate-home-${home}`;
}
