/** What a task is about, to read in a list: `vm-42` for a VM, whose whole id stands on the page of the task; else as it is. */
export function shortSubject(subject: string): string {
  return subject.replace(/^[0-9a-f]{12}-(\d+)$/, 'vm-$1')
}
