%% Processes of one Erlang node, in the shape of what rows/actors/local.rs does.
%%
%%     cast COUNT
%%     call COUNT
%%     ring MEMBERS HOPS
%%     fan MEMBERS TIMES
%%     start COUNT
-module(actors).
-behaviour(gen_server).
-export([main/0, init/1, handle_call/3, handle_cast/2]).
-export([sink/3, member/1]).

-define(WARM_UP, 100).
-define(SOON_MS, 170000).

main() ->
    {Before, _} = statistics(runtime),
    Found = run(init:get_plain_arguments()),
    {After, _} = statistics(runtime),
    report(Found, (After - Before) / 1000),
    halt(0).

run(["cast", Count]) -> fan(1, list_to_integer(Count));
run(["fan", Members, Times]) -> fan(list_to_integer(Members), list_to_integer(Times));
run(["call", Count]) -> call(list_to_integer(Count));
run(["ring", Members, Hops]) -> ring(list_to_integer(Members), list_to_integer(Hops));
run(["start", Count]) -> start(list_to_integer(Count)).

%% Numbers to so many processes, to each in its turn.
fan(Members, Times) ->
    Main = self(),
    Sinks = [spawn_link(?MODULE, sink, [Main, Times, 0]) || _ <- lists:seq(1, Members)],
    Start = stamp(),
    send(Sinks, 0, Times),
    {Sum, End} = ended(Members, 0, 0),
    check(sum, Sum, Members * Times * (Times - 1) div 2),
    {Members * Times, End - Start, [], none}.

send(_, Times, Times) -> ok;
send(Sinks, Number, Times) ->
    [Sink ! {add, Number} || Sink <- Sinks],
    send(Sinks, Number + 1, Times).

sink(Main, 0, Sum) -> Main ! {ended, Sum, stamp()};
sink(Main, Left, Sum) ->
    receive {add, Number} -> sink(Main, Left - 1, Sum + Number) end.

ended(0, Sum, End) -> {Sum, End};
ended(Left, Sum, End) ->
    receive {ended, Its, At} -> ended(Left - 1, Sum + Its, max(End, At))
    after ?SOON_MS -> exit({missing, Left})
    end.

call(Count) ->
    {ok, Server} = gen_server:start_link(?MODULE, [], []),
    [Number = gen_server:call(Server, Number) || Number <- lists:seq(0, ?WARM_UP - 1)],
    {Sum, Took} = calls(Server, 0, Count, 0, []),
    check('sum of the answers', Sum, Count * (Count - 1) div 2),
    {Count, lists:sum(Took), Took, none}.

calls(_, Count, Count, Sum, Took) -> {Sum, Took};
calls(Server, Number, Count, Sum, Took) ->
    Start = stamp(),
    Answer = gen_server:call(Server, Number),
    calls(Server, Number + 1, Count, Sum + Answer, [stamp() - Start | Took]).

ring(Count, Hops) ->
    Main = self(),
    [First | Rest] = Members = [spawn_link(?MODULE, member, [Main]) || _ <- lists:seq(1, Count)],
    [Member ! {next, Next} || {Member, Next} <- lists:zip(Members, Rest ++ [First])],
    Start = stamp(),
    First ! {token, Hops},
    receive {ended, End} -> {Hops, End - Start, [], none} after ?SOON_MS -> exit(no_end) end.

member(Main) -> receive {next, Next} -> member(Main, Next) end.

member(Main, Next) ->
    receive
        {token, 0} -> Main ! {ended, stamp()};
        {token, Left} -> Next ! {token, Left - 1}
    end,
    member(Main, Next).

%% Servers, as they are started one after the other.
start(Count) ->
    Before = erlang:memory(total),
    Start = stamp(),
    Servers = [begin {ok, Server} = gen_server:start_link(?MODULE, [], []), Server end || _ <- lists:seq(1, Count)],
    End = stamp(),
    Bytes = (erlang:memory(total) - Before) / Count,
    check('sum of the answers', lists:sum([gen_server:call(Server, 1) || Server <- Servers]), Count),
    {Count, End - Start, [], Bytes}.

init([]) -> {ok, none}.

handle_call(Question, _, State) -> {reply, Question, State}.

handle_cast(_, State) -> {noreply, State}.

%% Nanoseconds.
stamp() -> os:perf_counter(nanosecond).

check(_, Right, Right) -> ok;
check(What, Got, Wanted) -> exit({What, Got, instead_of, Wanted}).

report({Operations, Ns, Latencies, Bytes}, Cpu) ->
    Base = io_lib:format("\"operations\": ~b, \"seconds\": ~.9f, \"cpu_seconds\": ~.3f", [Operations, Ns / 1.0e9, Cpu]),
    Ordered = lists:sort(Latencies),
    At = fun(Percent) -> lists:nth(length(Ordered) * Percent div 100 + 1, Ordered) / 1000 end,
    Percentiles = case Ordered of
        [] -> "";
        _ -> io_lib:format(", \"p50_us\": ~.3f, \"p99_us\": ~.3f", [At(50), At(99)])
    end,
    Memory = case Bytes of
        none -> "";
        _ -> io_lib:format(", \"memory_bytes\": ~.1f", [Bytes])
    end,
    io:format("{~s~s~s}~n", [Base, Percentiles, Memory]).
