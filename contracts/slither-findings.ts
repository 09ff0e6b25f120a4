// Prints what slither found in src/ as TAP; findings in libraries are their authors' business. Fails on any.
import { readFileSync } from 'node:fs'
import { z } from 'zod'

const report = z.object({
  success: z.literal(true),
  results: z.object({
    detectors: z
      .array(
        z.object({
          check: z.string(),
          impact: z.string(),
          description: z.string(),
          elements: z.array(z.object({ source_mapping: z.object({ filename_relative: z.string() }) })),
        }),
      )
      .default([]),
  }),
})

const { results } = report.parse(JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')))
const libraries = results.detectors.filter((found) =>
  found.elements.every(({ source_mapping }) => !source_mapping.filename_relative.startsWith('src/')),
)
const ours = results.detectors.filter((found) => !libraries.includes(found))
for (const { check, impact, description } of ours) process.stderr.write(`${impact} ${check}: ${description}\n`)
// the libraries have some: a run that found nothing at all looked at nothing
const looked = libraries.length > 0
process.stdout.write(`${looked ? 'ok' : 'not ok'} 1 - slither looked (${libraries.length} findings in libraries)\n`)
process.stdout.write(
  `${ours.length === 0 ? 'ok' : 'not ok'} 2 - every finding in src/ is answered there (${ours.length} are not)\n`,
)
process.exitCode = looked && ours.length === 0 ? 0 : 1
