import { toASCII, toUnicode } from 'tr46'
import confusables from 'unicode-confusables'
import { AppError } from '../../errors/app-error.ts'

/** Labels that would speak for the broker, the host or a service of the Internet that trusts such names. */
const reserved = [
  'www',
  'mail',
  'smtp',
  'imap',
  'pop',
  'pop3',
  'webmail',
  'autoconfig',
  'autodiscover',
  'mta-sts',
  'wpad',
  'isatap',
  'localhost',
  'local',
  'ns',
  'ns1',
  'ns2',
  'dns',
  'mx',
  'ftp',
  'root',
  'admin',
  'administrator',
  'hostmaster',
  'postmaster',
  'webmaster',
  'abuse',
  'security',
  'support',
  'help',
  'info',
  'api',
  'status',
  'broker',
  'freehold',
  'console',
  'login',
  'signin',
  'account',
  'wallet',
  'pay',
  'billing',
] as const

const flags = {
  checkBidi: true,
  checkHyphens: true,
  checkJoiners: true,
  useSTD3ASCIIRules: true,
  verifyDNSLength: true,
  transitionalProcessing: false,
} as const

/** A label that may be looked up against what is taken. */
export interface Label {
  text: string
  /** Equal for labels that look alike (UTS 39). */
  skeleton: string
}

/**
 * A label of a VM or host: 1 to 63 of `a-z0-9-`, as typed or in upper case. Letters beyond ASCII are refused, also as `xn--`: for every
 * such name there is one in ASCII that looks like it. Throws `broker-name-refused` with what was seen.
 */
export function parseLabel(typed: string): Label {
  const text = typed.toLowerCase()
  const shown = JSON.stringify(typed.slice(0, 80))
  if (typed.includes('*')) throw refused(`${shown} holds a wildcard`, 'Name one machine: wildcards are not given.')
  if (typed.includes('.')) throw refused(`${shown} is more than one label`, 'Enter the part before the first dot only.')
  // the library knows what browsers make of a text; the label must be that already
  const ascii = toASCII(text, flags)
  if (typed.length > 63) throw refused(`${shown} has ${typed.length} characters`, 'Use at most 63.')
  if (!/^[\x21-\x7e]*$/.test(typed) || text.startsWith('xn--')) {
    const looks = confusables.rectifyConfusion(text.startsWith('xn--') ? toUnicode(text).domain : text)
    const alike = /^[\x20-\x7e]*$/.test(looks) ? ` and looks like ${JSON.stringify(looks.slice(0, 80).toLowerCase())}` : ''
    throw refused(`${shown} has letters beyond ASCII${alike}`, 'Use a-z, 0-9 and the dash.')
  }
  if (ascii === null || ascii !== text || !/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(text)) {
    throw refused(
      `${shown} is no host name`,
      'Use a-z, 0-9 and the dash; begin and end with a letter or digit; no dashes in places 3 and 4.',
    )
  }
  const skeleton = skeletonOf(text)
  const meant = reservedSkeletons.get(skeleton)
  if (meant !== undefined) {
    throw refused(
      meant === text ? `${shown} is reserved` : `${shown} looks like ${meant}, which is reserved`,
      'Choose another name.',
    )
  }
  return { text, skeleton }
}

/** UTS 39 skeleton, then what only this use adds: case, and `i` beside `l` and `1`, which many fonts draw alike. */
export function skeletonOf(label: string): string {
  return confusables.rectifyConfusion(label).toLowerCase().replaceAll('i', 'l').replaceAll('vv', 'w').replaceAll('-', '')
}

const reservedSkeletons = new Map<string, string>(reserved.map((label) => [skeletonOf(label), label]))

function refused(detail: string, hint: string): AppError {
  return new AppError({ code: 'broker-name-refused', detail, hint, fields: [{ pointer: '/label', detail }] })
}

/** A zone that names are served under: at least two plain labels, no wildcard. Throws `bad-input`. */
export function parseZone(text: string, pointer = '/names/zone'): string {
  const zone = text.toLowerCase().replace(/\.$/, '')
  const labels = zone.split('.')
  const fail = (detail: string, hint: string): AppError =>
    new AppError({ code: 'bad-input', detail, hint, fields: [{ pointer, detail }] })
  const shown = JSON.stringify(text.slice(0, 80))
  if (zone.includes('*')) throw fail(`${shown} holds a wildcard`, 'Enter the zone itself, such as vm.example.org.')
  const long = labels.find((label) => label.length > 63)
  if (long !== undefined) throw fail(`${shown} has a label of ${long.length} characters`, 'A label has at most 63.')
  if (
    toASCII(zone, flags) !== zone ||
    labels.length < 2 ||
    !labels.every((label) => /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(label))
  ) {
    throw fail(
      `${shown} is no zone`,
      'Enter a domain that is delegated to this machine, such as vm.example.org; write foreign letters as xn--.',
    )
  }
  // _acme-challenge.<63>.<zone> must still fit
  if (zone.length > 160)
    throw fail(`${shown} has ${zone.length} characters`, 'Use a zone of at most 160, so that names below it fit.')
  return zone
}
