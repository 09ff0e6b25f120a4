import { standingCertificate } from './standing-certificate.ts'

// a reader that has enough (`| head`) is no fault of ours
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(0)
})

const argv = process.argv.slice(2)
process.exitCode = (await standingCertificate(argv)) ?? (await (await import('./main.ts')).runCli(argv))
