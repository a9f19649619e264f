/**
 * Body of an HTTP answer, within a limit: whoever answers is not trusted to end.
 */
import * as Effect from "effect/Effect"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Stream from "effect/Stream"

/** Largest body that is read, in bytes. Discord's has some hundred. */
export const maxBody = 64 * 1024

/** The text of a body. It is read as it comes, and cut off once it is over the limit, so that one without end costs nothing. */
export const bodyOf = (response: HttpClientResponse.HttpClientResponse) =>
  response.stream.pipe(
    Stream.mapAccumEffect(
      () => 0,
      (before, chunk) => {
        const size = before + chunk.length
        return size > maxBody
          ? Effect.fail({ _tag: "BodyTooLarge" } as const)
          : Effect.succeed([size, [chunk]] as const)
      }
    ),
    Stream.decodeText,
    Stream.mkString
  )
