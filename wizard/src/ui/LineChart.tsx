import { useId } from 'react'

const [width, height] = [240, 64]

/** One line over time. What it shows is said in words below it, so that neither colour nor sight is needed (X15). */
export function LineChart({ title, values, summary }: { title: string; values: readonly (number | null)[]; summary: string }) {
  const id = useId()
  const most = Math.max(1, ...values.filter((v) => v !== null))
  const step = values.length > 1 ? width / (values.length - 1) : width
  const points = values.flatMap((v, i) =>
    v === null ? [] : [`${(i * step).toFixed(1)},${(height - (v / most) * (height - 4) - 2).toFixed(1)}`],
  )
  return (
    <figure className="rounded-lg border border-line bg-sunk p-3" aria-labelledby={id}>
      <figcaption id={id} className="text-sm font-medium">
        {title}
      </figcaption>
      <svg
        viewBox={`0 0 ${width} ${height}`}
        preserveAspectRatio="none"
        aria-hidden="true"
        className="mt-2 h-16 w-full text-brand"
      >
        <line x1="0" y1={height - 1} x2={width} y2={height - 1} stroke="currentColor" strokeOpacity="0.35" />
        <polyline points={points.join(' ')} fill="none" stroke="currentColor" strokeWidth="2" vectorEffect="non-scaling-stroke" />
      </svg>
      <p className="tabular mt-1 text-sm text-soft">{summary}</p>
    </figure>
  )
}
