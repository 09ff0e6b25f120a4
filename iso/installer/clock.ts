import { InstallFault } from './fault.ts'

const day = 86_400
/** Further on than any medium is used. */
const mostDays = 5 * 365

/**
 * Refuses a clock that cannot be right, compared with the build of the medium (both Unix seconds): the first certificate and the
 * signatures of repositories would be taken for not yet valid, or for expired. systemd sets a clock of before the build itself.
 */
export function checkClock(now: number, built: number): void {
  const text = (seconds: number): string => new Date(seconds * 1000).toISOString().slice(0, 16).replace('T', ' ')
  if (now >= built - day && now <= built + mostDays * day) return
  throw new InstallFault('clock-wrong', {
    wrong: 'The clock of this machine is years off.',
    seen: [`the clock says     ${text(now)} UTC`, `this medium is of  ${text(built)} UTC`],
    remedy: 'Set date and time in the firmware (UTC), and start again. A newer medium helps where this one is old.',
  })
}
