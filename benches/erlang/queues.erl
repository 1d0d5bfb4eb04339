%% Messages between two Erlang nodes on this machine, in the shape of what python/queues.py does.
%%
%%     oneway COUNT u64|struct|1k
%%     roundtrip COUNT WAYS
%%     call COUNT
%%     many COUNT IN_FLIGHT
%%
%% The first node runs `main`: it takes, or asks. It starts a second one, which runs `help` and ends with it.
-module(queues).
-behaviour(gen_server).
-export([main/0, help/1, produce/3, echo/0, start_server/0, init/1, handle_call/3, handle_cast/2]).

-define(WARM_UP, 100).
-define(SOON_MS, 10000).

%% Measures, prints one line and ends both nodes.
main() ->
    ok = net_kernel:monitor_nodes(true, #{node_type => all}),
    Other = open_port({spawn_executable, os:find_executable("erl")}, [{args, arguments()}, exit_status]),
    Node = receive
        {nodeup, Name, _} -> Name
    after ?SOON_MS -> exit(no_second_node)
    end,
    ok = net_kernel:monitor_nodes(false, #{node_type => all}),
    Before = cpu_ms(Node),
    Found = run(Node, init:get_plain_arguments()),
    Cpu = cpu_ms(Node) - Before,
    erpc:cast(Node, erlang, halt, [0]),
    receive {Other, {exit_status, 0}} -> ok after ?SOON_MS -> exit(second_node_stays) end,
    report(Found, Cpu / 1000),
    halt(0).

%% Those of the second node, which finds the first at the port that both were given, and listens on none itself.
arguments() ->
    {ok, [[Port]]} = init:get_argument(erl_epmd_port),
    {ok, [[Folder]]} = init:get_argument(pa),
    ["-noinput", "-pa", Folder, "-start_epmd", "false", "-erl_epmd_port", Port, "-dist_listen", "false",
     "-name", "second@127.0.0.1", "-run", "queues", "help", atom_to_list(node())].

%% Lets the first node do here what it likes, until its end.
help([Name]) ->
    First = list_to_atom(Name),
    true = net_kernel:connect_node(First),
    true = erlang:monitor_node(First, true),
    receive {nodedown, First} -> halt(1) end.

run(Node, ["oneway", Count, Kind]) ->
    oneway(Node, list_to_integer(Count), list_to_atom(Kind));
run(Node, ["roundtrip", Count, Ways]) ->
    Other = spawn_link(Node, ?MODULE, echo, []),
    Ask = fun(Number) ->
        Other ! {self(), Number},
        receive {answer, Answer} -> Answer after ?SOON_MS -> exit(no_answer) end
    end,
    trips(Ask, list_to_integer(Count), list_to_integer(Ways));
run(Node, ["call", Count]) ->
    {ok, Server} = erpc:call(Node, ?MODULE, start_server, []),
    trips(fun(Number) -> gen_server:call(Server, Number) end, list_to_integer(Count), 1);
run(Node, ["many", Count, InFlight]) ->
    {ok, Server} = erpc:call(Node, ?MODULE, start_server, []),
    many(Server, list_to_integer(Count), list_to_integer(InFlight)).

%% Calls, so many of them under way; the first is waited for first.
many(Server, Count, InFlight) ->
    Warm = lists:sum([gen_server:call(Server, Number) || Number <- lists:seq(0, ?WARM_UP - 1)]),
    Start = stamp(),
    Ask = fun(Number) -> gen_server:send_request(Server, Number) end,
    UnderWay = queue:from_list([Ask(Number) || Number <- lists:seq(?WARM_UP, ?WARM_UP + InFlight - 1)]),
    Every = ?WARM_UP + Count,
    Sum = many(Ask, ?WARM_UP + InFlight, Every, UnderWay, Warm),
    End = stamp(),
    check('sum of the answers', Sum, Every * (Every - 1) div 2),
    {Count, End - Start, []}.

many(Ask, Number, Every, UnderWay, Sum) ->
    case queue:out(UnderWay) of
        {empty, _} -> Sum;
        {{value, First}, Rest} ->
            {reply, Answer} = gen_server:receive_response(First, ?SOON_MS),
            case Number < Every of
                true -> many(Ask, Number + 1, Every, queue:in(Ask(Number), Rest), Sum + Answer);
                false -> many(Ask, Number, Every, Rest, Sum + Answer)
            end
    end.

oneway(Node, Count, Kind) ->
    spawn_link(Node, ?MODULE, produce, [self(), Count, Kind]),
    Start = receive {started, Stamp} -> Stamp after ?SOON_MS -> exit(no_start) end,
    Sum = take(Count, Kind, 0),
    End = stamp(),
    check(sum, Sum, Count * (Count - 1) div 2),
    {Count, End - Start, []}.

produce(To, Count, Kind) ->
    To ! {started, stamp()},
    produce(To, 0, Count, Kind).

produce(_, Count, Count, _) -> ok;
produce(To, Number, Count, Kind) ->
    To ! {item, item(Kind, Number)},
    produce(To, Number + 1, Count, Kind).

take(0, _, Sum) -> Sum;
take(Left, Kind, Sum) ->
    receive
        {item, Item} -> take(Left - 1, Kind, Sum + number_of(Kind, Item))
    after ?SOON_MS -> exit({missing, Left})
    end.

item(u64, Number) -> Number;
item(struct, Number) -> {Number, <<"a label">>, float(Number)};
item('1k', Number) -> <<Number:64/little, (binary:copy(<<7>>, 1016))/binary>>.

number_of(u64, Number) -> Number;
number_of(struct, {Number, <<"a label">>, _}) -> Number;
number_of('1k', <<Number:64/little, _:1016/binary>>) -> Number.

trips(Ask, Count, Ways) ->
    Warm = lists:sum([Ask(Number) || Number <- lists:seq(0, ?WARM_UP - 1)]),
    Every = ?WARM_UP + Count,
    {Sum, Took} = trips(Ask, ?WARM_UP, Every, Warm, []),
    check('sum of the answers', Sum, Every * (Every - 1) div 2),
    {Count * Ways, lists:sum(Took), [Each div Ways || Each <- Took]}.

trips(_, Every, Every, Sum, Took) -> {Sum, Took};
trips(Ask, Number, Every, Sum, Took) ->
    Start = stamp(),
    Answer = Ask(Number),
    trips(Ask, Number + 1, Every, Sum + Answer, [stamp() - Start | Took]).

echo() ->
    receive {From, Number} -> From ! {answer, Number} end,
    echo().

start_server() -> gen_server:start(?MODULE, [], []).

init([]) -> {ok, none}.

handle_call(Question, _, State) -> {reply, Question, State}.

handle_cast(_, State) -> {noreply, State}.

%% Nanoseconds of a clock that all processes of the machine share.
stamp() -> os:perf_counter(nanosecond).

%% CPU time of both nodes.
cpu_ms(Node) ->
    {Here, _} = statistics(runtime),
    {There, _} = erpc:call(Node, erlang, statistics, [runtime]),
    Here + There.

check(_, Right, Right) -> ok;
check(What, Got, Wanted) -> exit({What, Got, instead_of, Wanted}).

report({Operations, Ns, Latencies}, Cpu) ->
    Base = io_lib:format("\"operations\": ~b, \"seconds\": ~.9f, \"cpu_seconds\": ~.3f", [Operations, Ns / 1.0e9, Cpu]),
    Ordered = lists:sort(Latencies),
    At = fun(Percent) -> lists:nth(length(Ordered) * Percent div 100 + 1, Ordered) / 1000 end,
    Percentiles = case Ordered of
        [] -> "";
        _ -> io_lib:format(", \"p50_us\": ~.3f, \"p99_us\": ~.3f", [At(50), At(99)])
    end,
    io:format("{~s~s}~n", [Base, Percentiles]).
