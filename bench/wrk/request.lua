-- wrk -s request.lua URL -- METHOD BYTES [NAME VALUE]...
-- One request, with a body of BYTES bytes and these fields, made once and sent again and again.
function init(args)
  wrk.method = args[1]
  if args[2] ~= "0" then
    wrk.body = string.rep("x", tonumber(args[2]))
  end
  for index = 3, #args, 2 do
    wrk.headers[args[index]] = args[index + 1]
  end
end
