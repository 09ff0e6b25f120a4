import { standingCertificate } from './standing-certificate.ts'

const argv = process.argv.slice(2)
process.exitCode = (await standingCertificate(argv)) ?? (await (await import('./main.ts')).runCli(argv))
