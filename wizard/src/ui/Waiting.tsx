import { Loading } from './Loading.tsx'
import { Skeleton } from './Skeleton.tsx'

/** The place of one card that is still being asked for. */
export function Waiting() {
  return (
    <Loading>
      <Skeleton className="h-64 rounded-2xl" />
    </Loading>
  )
}
