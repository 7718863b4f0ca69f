#include "engine/stage/context.hpp"

#include <memory>
#include <utility>

#include "engine/script/engine.hpp"

namespace weir::stage {

void Context::refuse(const script::CompileError& error) { throw Fault(error.place.str() + ": " + error.what); }

void Context::log(observe::Level level, std::string_view message, std::initializer_list<observe::Field> more) {
  // At most two more: the callers say one thing a line.
  const auto* field = more.begin();
  switch (more.size()) {
    case 0:
      return observe::log(level, message, {{"pipeline", pipeline}, {"stage", name()}});
    case 1:
      return observe::log(level, message, {{"pipeline", pipeline}, {"stage", name()}, field[0]});
    default:
      return observe::log(level, message, {{"pipeline", pipeline}, {"stage", name()}, field[0], field[1]});
  }
}

void Source::refuse_result(std::string_view bytes, Failure why, std::shared_ptr<const message::Result> result) {
  auto carried = origin ? std::make_shared<message::Metadata>(*origin) : std::make_shared<message::Metadata>();
  carried->result = std::move(result);
  const auto before = std::exchange(origin, std::move(carried));
  refuse(bytes, std::move(why));
  origin = before;
}

Task<> Source::sleep_until(Time when) {
  co_await flush();
  co_await core.sleep_until(when);
  waited_outside();
}

}  // namespace weir::stage
