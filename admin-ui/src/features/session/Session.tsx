import { type FormEvent, useCallback, useEffect, useRef, useState } from "react";
import { Refused, type Space, forgetSession, hasSession, signIn, signOut, spaces } from "../../api/session";

/** Signing in and out, and the spaces of who is signed in. */
export function Session() {
  const [list, setList] = useState<Space[] | null>(null);
  const [wrong, setWrong] = useState<string | null>(null);
  const password = useRef<HTMLInputElement>(null);

  const load = useCallback(async () => {
    try {
      setList(await spaces());
    } catch (error) {
      if (error instanceof Refused && error.status === 401) forgetSession();
      setList(null);
    }
  }, []);

  useEffect(() => {
    if (hasSession()) void load();
  }, [load]);

  const enter = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const sent = new FormData(event.currentTarget);
    try {
      await signIn(String(sent.get("user")), String(sent.get("password")));
      setWrong(null);
      await load();
    } catch (error) {
      // The name stays as it was typed; the password is typed again.
      setWrong(error instanceof Error ? error.message : "That did not work.");
      if (password.current) {
        password.current.value = "";
        password.current.focus();
      }
    }
  };

  const leave = async () => {
    await signOut().catch(() => undefined);
    setList(null);
  };

  if (list !== null) {
    return (
      <section aria-labelledby="spaces">
        <h2 id="spaces">Your spaces</h2>
        <ul>
          {list.map((space) => (
            <li key={space.id}>
              {space.name} ({space.role})
            </li>
          ))}
        </ul>
        <button type="button" onClick={() => void leave()}>
          Sign out
        </button>
      </section>
    );
  }
  return (
    <section aria-labelledby="sign-in">
      <h2 id="sign-in">Sign in</h2>
      {wrong !== null && (
        <p id="wrong" className="bad" role="alert">
          {wrong}
        </p>
      )}
      <form onSubmit={(event) => void enter(event)}>
        <label htmlFor="user">Name</label>
        <input id="user" name="user" autoComplete="username" autoCapitalize="none" required />
        <label htmlFor="password">Password</label>
        <input
          id="password"
          name="password"
          type="password"
          autoComplete="current-password"
          ref={password}
          aria-invalid={wrong !== null}
          aria-describedby={wrong === null ? undefined : "wrong"}
          required
        />
        <button type="submit">Sign in</button>
      </form>
    </section>
  );
}
