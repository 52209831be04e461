import { render } from "preact";
import { useCallback, useEffect, useState } from "preact/hooks";
import { type Person, createPerson, login, logout, people, session } from "./api";
import "./style.css";

/** Sends a form's fields to `action`, and shows why it failed. */
function Form({ action, button, children }: { action: (fields: FormData) => Promise<void>; button: string; children: preact.ComponentChildren }) {
  const [problem, setProblem] = useState("");
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    try {
      await action(new FormData(form));
      setProblem("");
      form.reset();
    } catch (error) {
      setProblem((error as Error).message);
    }
  };
  return (
    <form onSubmit={submit}>
      {children}
      <button>{button}</button>
      {problem && <p role="alert">{problem}</p>}
    </form>
  );
}

const field = (fields: FormData, name: string) => String(fields.get(name) ?? "");

function Login({ onDone }: { onDone: () => void }) {
  const enter = (fields: FormData) => login(field(fields, "email"), field(fields, "password")).then(onDone);
  return (
    <Form action={enter} button="Log in">
      <label>
        E-mail <input name="email" type="email" autocomplete="username" required />
      </label>
      <label>
        Password <input name="password" type="password" autocomplete="current-password" required />
      </label>
    </Form>
  );
}

function People({ onLogout }: { onLogout: () => void }) {
  const [rows, setRows] = useState<Person[]>([]);
  const [search, setSearch] = useState("");
  const load = useCallback(async () => {
    try {
      setRows(await people(search));
    } catch {
      if (!session.token) onLogout();
    }
  }, [search, onLogout]);

  useEffect(() => void load(), [load]);
  useEffect(() => {
    const events = new EventSource("/api/events");
    events.addEventListener("person", load);
    return () => events.close();
  }, [load]);

  return (
    <>
      <nav>
        <input type="search" placeholder="Search people" aria-label="Search people" value={search} onInput={(event) => setSearch(event.currentTarget.value)} />
        <button type="button" onClick={() => logout().finally(onLogout)}>
          Log out
        </button>
      </nav>
      <table>
        <thead>
          <tr>
            <th>Name</th>
            <th>E-mail</th>
            <th>Company</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((person) => (
            <tr key={person.id}>
              <td>{person.name}</td>
              <td>{person.email}</td>
              <td>{person.company?.name}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <Form action={(fields) => createPerson(field(fields, "name"), field(fields, "email")).then(load)} button="Add">
        <label>
          Name <input name="name" required />
        </label>
        <label>
          E-mail <input name="email" type="email" required />
        </label>
      </Form>
    </>
  );
}

function App() {
  const [entered, setEntered] = useState(Boolean(session.token));
  const leave = useCallback(() => setEntered(false), []);
  return (
    <main>
      <h1>Demo CRM</h1>
      {entered ? <People onLogout={leave} /> : <Login onDone={() => setEntered(true)} />}
    </main>
  );
}

render(<App />, document.getElementById("root")!);
